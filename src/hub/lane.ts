/**
 * The order in which a session's mailbox empties. A packet of a lower lane never waits for a higher one;
 * within a lane order is kept.
 */
export const Lane = { reply: 0, realtime: 1, durable: 2, replay: 3 } as const
export type Lane = (typeof Lane)[keyof typeof Lane]
