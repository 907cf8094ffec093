import type { HoldfastClientError } from './errors.ts'
import type { ClientInfo, ErrorContext } from './types.ts'

/** Somebody who is in a channel, on whatever number of connections: tabs, devices. */
export interface PresentUser {
  /** What tells this one from others: the user's id, or for one without a name that of the connection. */
  readonly key: string
  /** The user's id; the empty string for an anonymous client. */
  readonly user: string
  /** Its connections, the one that came first before the others. */
  readonly clients: readonly ClientInfo[]
  /** What the newest connection's token says about the user. */
  readonly info: unknown
}

export interface PresenceChange {
  /** Everyone who is there now, in the order in which they came. The same array until somebody comes or goes. */
  readonly users: readonly PresentUser[]
  readonly joined: readonly PresentUser[]
  readonly left: readonly PresentUser[]
  /** Not by a join or a leave but by a comparison with the server: at the beginning, and when some may have been missed. */
  readonly compared: boolean
}

export interface PresenceOptions {
  readonly signal?: AbortSignal
  readonly onError?: (error: unknown, context: ErrorContext) => void
  /** The server does not tell who is there, or has ended the subscription. */
  readonly onUnsubscribed?: (reason: HoldfastClientError) => unknown
  /**
   * How long somebody may be away and not count as gone, in milliseconds (default 2,000): whoever loads the page again
   * then neither leaves nor comes.
   */
  readonly graceMs?: number
  /** How often to compare with the server besides, in milliseconds (default 60,000, spread by chance; 0: never). */
  readonly compareMs?: number
  /** A channel token, and how to get a new one. */
  readonly token?: string
  readonly getToken?: (context: { channel: string }) => Promise<string>
}

export interface PresenceWatch {
  readonly users: readonly PresentUser[]
  /** Resolves when `users` is what the server has said; rejects where it never will be. */
  ready(): Promise<void>
  stop(): void
}

/** Who is in a channel. */
export interface Presence {
  /** Asks once: who is subscribed, by the id of the connection. */
  (options?: { signal?: AbortSignal }): Promise<Readonly<Record<string, ClientInfo>>>
  /**
   * Keeps a list of users up to date, and tells of those who come and go. Subscribes to the channel where nobody else of this
   * client has, asks the server who is there, follows its joins and leaves, and asks again after each lost connection
   * and now and then, so that the list comes right whatever was missed. The namespace has to have `presence` and `joinLeave`.
   */
  watch(onChange: (change: PresenceChange) => unknown, options?: PresenceOptions): PresenceWatch
}
