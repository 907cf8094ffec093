import type { Contract, EventsOf } from './contract.ts'
import type { HoldfastClientError } from './errors.ts'
import type { Place, Reset } from './follower.ts'

/** Who published, as the server knows it. */
export interface ClientInfo {
  /** The user's id; the empty string for an anonymous client. */
  readonly user: string
  /** The id of one connection: what `signal` takes to reach this one. */
  readonly client: string
  /** What the connection token says about the user. */
  readonly connInfo?: unknown
  /** What the channel token says about the user. */
  readonly chanInfo?: unknown
}

/** What a channel delivers: a recorded event, or a message that may be lost. */
export interface Received<Type extends string = string, Data = unknown> {
  readonly channel: string
  /** The event's type; `publication` for what was published without one. */
  readonly type: Type
  /** The application's JSON. */
  readonly data: Data
  /** The event's id (UUID); only recorded events have one. */
  readonly id: string | undefined
  /** The number in the channel: 1, 2, 3 …; only where the channel numbers. */
  readonly offset: number | undefined
  /** Where to go on after this event: save it together with what the event has changed. */
  readonly position: Place | undefined
  /** Milliseconds since 1970, by the server's clock; only where the server tells it. */
  readonly time: number | undefined
  /** Who published; undefined where the server did. */
  readonly info: ClientInfo | undefined
  readonly tags: Readonly<Record<string, string>>
}

/** What a subscription with a `cursor` hands out. */
export interface Acknowledgeable {
  /**
   * Acknowledges this event, and everything before it, for the subscription's cursor, as `channel.cursor(name).ack(event)`.
   * For `ack: 'manual'`, and for an event whose handler threw.
   */
  ack(): void
}

/** Everything a channel of the contract may deliver: narrow it by `type`. */
export type ReceivedOf<C extends Contract, Channel extends string> = {
  [Type in keyof EventsOf<C, Channel> & string]: Received<Type, EventsOf<C, Channel>[Type]>
}[keyof EventsOf<C, Channel> & string]

/** What an error that nobody awaits was about. */
export type ErrorContext =
  /** A handler threw, or the promise it returned rejected; `event` is what it was given. */
  | { readonly kind: 'handler'; readonly channel: string; readonly event: unknown }
  /** Subscribing or reading the past failed for now, and is tried again. */
  | { readonly kind: 'retrying'; readonly channel: string }
  /** The server ended the subscription, and it does not come back by itself. */
  | { readonly kind: 'ended'; readonly channel: string }
  /** Reported where there is no `onReset`: events are missed for good. */
  | { readonly kind: 'reset'; readonly channel: string; readonly reset: Reset }
  /** Messages without a number were dropped because the handler is too slow. */
  | { readonly kind: 'dropped'; readonly channel: string }
  /** A place could not be kept (`keep`), as where the storage is full: the one before it stays. */
  | { readonly kind: 'positions'; readonly channel: string }
  /** The server does not take an acknowledgement: the cursor stays where it is. */
  | { readonly kind: 'cursor'; readonly channel: string; readonly cursor: string }
  /** A listener of the connection threw. */
  | { readonly kind: 'listener' }

export interface SubscribeOptions<Event> {
  /**
   * Where to begin: an offset (events after it follow, 0 is before the first), a saved position (which notices a
   * new epoch), or `start`, the oldest event there still is. Without it: what is published from now on.
   */
  readonly since?: number | Place | 'start'
  /**
   * In place of `since`: the name of a cursor of the user's. Begins after what was acknowledged, on whichever device; it is
   * asked for over temporary errors and lost connections. Durable channels and signed-in users only.
   */
  readonly cursor?: string
  /**
   * In place of `since` and `cursor`: keeps the place of each handled event in the client's `positions`, under this name
   * (`true`: under the channel's alone), and begins there again after a reload of the page. The state that was built from
   * the events has to be kept as well.
   */
  readonly keep?: true | string
  /**
   * With `cursor`: `auto` (the default) acknowledges each event when its handler has ended. One whose handler threw is
   * not, and so nothing behind it, until the application does it: it comes again with the next subscription. With
   * `manual` only `event.ack()` does, or `channel.cursor(name).ack`.
   */
  readonly ack?: 'auto' | 'manual'
  /**
   * With `cursor`: where one begins that was never acknowledged: before the oldest event there is (`start`, the
   * default), or at the head, where it then stays until the first ack. With `keep`: where to begin for the first time.
   */
  readonly from?: 'start' | 'head'
  /**
   * Called for one event after the other, in order, each offset once; the next waits for the promise it returns. If
   * it throws, that is reported and the next event follows.
   */
  readonly onEvent?: (event: Event) => unknown
  /**
   * What follows when `onEvent` or `onReset` threw, or the promise it returned rejected: the next event (`skip`, the
   * default), or nothing any more (`stop-channel`): the subscription ends with `codes.poisoned` and its `position` stays
   * before the event, so that it can be gone on from there. Other readers of the channel are not touched.
   */
  readonly onPoison?: 'skip' | 'stop-channel'
  /**
   * A gap that cannot be closed. Events after `reset.position` follow; what was built from earlier ones should be
   * loaded anew.
   */
  readonly onReset?: (reset: Reset) => unknown
  /**
   * Where to go on where the numbering began anew: after its head (the default), or from its oldest event (the default
   * with `cursor`).
   */
  readonly afterReset?: 'head' | 'start'
  /** Each time that `subscription.progress` changes. */
  readonly onProgress?: (progress: SubscriptionProgress) => unknown
  /** Subscribed, for the first time or again. */
  readonly onSubscribed?: (context: { position: Place | undefined; data: unknown }) => unknown
  /** The server ended the subscription for good; without this it goes to `onError`. */
  readonly onUnsubscribed?: (reason: HoldfastClientError) => unknown
  readonly onJoin?: (info: ClientInfo) => unknown
  readonly onLeave?: (info: ClientInfo) => unknown
  /** For this subscription in place of the client's `onError`. */
  readonly onError?: (error: unknown, context: ErrorContext) => void
  /** A channel token, and how to get a new one. */
  readonly token?: string
  readonly getToken?: (context: { channel: string }) => Promise<string>
  /** Given to the server with the subscribe command. */
  readonly data?: unknown
  /**
   * How many events may wait for a slow handler (default 1,000). Above it numbered events are read from the
   * history when the handler has caught up, others are dropped.
   */
  readonly maxWaiting?: number
  /** Ends the subscription, as `unsubscribe` does. */
  readonly signal?: AbortSignal
}

/** Events that are missed for good in a channel. */
export interface Gap extends Reset {
  readonly channel: string
}

/**
 * `subscribing`: waits for the server's answer. `replaying`: reads what it has missed. `live`: nothing that was published
 * is missing, as far as the server has said. `ended`: for good.
 */
export type SubscriptionProgress = 'subscribing' | 'replaying' | 'live' | 'ended'

export interface Subscription {
  readonly channel: string
  readonly progress: SubscriptionProgress
  /**
   * The last event whose handler has ended (also by an error, which was reported). Save it, and give it as `since`
   * to go on from there. Undefined before the first reply, and in channels that do not number.
   */
  readonly position: Place | undefined
  readonly state: 'subscribing' | 'subscribed' | 'unsubscribed'
  /** Resolves when the server has answered; rejects when the subscription has ended. */
  ready(): Promise<void>
  /** No handler is called after this. */
  unsubscribe(): void
}
