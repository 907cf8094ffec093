/** Which promise a namespace makes: `realtime` may lose, `durable` may not. */
export type Tier = 'realtime' | 'durable'

/** Who may do a thing without a token for the channel. `token` means that a channel token may grant it. */
export type Grantee = 'anonymous' | 'client' | 'subscriber' | 'token'

export type Action = 'subscribe' | 'publish' | 'append' | 'presence' | 'history'

/** Options of one namespace after defaults; what is not listed in `allow` is not allowed. */
export interface NamespaceOptions {
  readonly tier: Tier
  readonly presence: boolean
  readonly joinLeave: boolean
  /** Realtime tier only: a short memory in Redis. size 0 means none. */
  readonly history: { readonly size: number; readonly ttlSeconds: number }
  readonly forceRecovery: boolean
  readonly forcePositioning: boolean
  /** Durable tier only: how many events a subscription may be pushed before a client has to page. */
  readonly replay: { readonly maxPushed: number }
  /** Durable tier only; 0 means: for ever. */
  readonly retention: { readonly maxAgeSeconds: number; readonly maxEvents: number }
  /** Durable tier only: which cursors' names retention waits for, and for how long after their last ack (0: for ever). */
  readonly cursors: { readonly hold: readonly string[]; readonly holdSeconds: number }
  /** Durable tier only: the types of events that clients may append, where `allow` lets them at all. Undefined: all. */
  readonly appendTypes?: readonly string[] | undefined
  readonly allow: Readonly<Record<Action, readonly Grantee[]>>
}
