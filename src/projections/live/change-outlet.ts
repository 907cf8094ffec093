/** Where changes go: the channels of this node. */
export interface ChangeOutlet {
  /**
   * Whether what is published there is kept. It then goes through the outbox, in the transaction of the change.
   * @throws HoldfastError CHANNEL_INVALID, CHANNEL_UNKNOWN
   */
  isDurable(channel: string): boolean
  /** To whoever listens to a realtime channel now. At most once. */
  publish(channel: string, data: string): Promise<unknown>
}

/** What a publication is called where it is an event. */
export type ChangeEventType = 'ProjectionChanged' | 'ProjectionReset'
