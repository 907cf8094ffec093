/** Who a client is, as others see it. Infos are JSON texts, passed on untouched. */
export interface ClientInfo {
  /** The user's id; the empty string for an anonymous client. */
  readonly user: string
  /** The id of one connection. */
  readonly client: string
  /** JSON text given at connect (the token's `info`). */
  readonly connInfo?: string
  /** JSON text given for this channel (the channel token's `info`). */
  readonly chanInfo?: string
}

/** One message accepted into a channel. */
export interface Publication {
  /** The application's JSON, as text and untouched: numbers and key order stay as they came. */
  readonly data: string
  readonly info?: ClientInfo
  /** Set in channels that number their publications. */
  readonly offset?: number
  readonly tags?: Readonly<Record<string, string>>
  /** Milliseconds since 1970. */
  readonly time?: number
}

/** What an application wants recorded. */
export interface NewEvent {
  readonly channel: string
  readonly type: string
  /** JSON text. */
  readonly data: string
  /** A UUID that makes a retry recognisable; made by the server (v7) where the caller has none. */
  readonly id?: string
  /** Append only if the channel's head is exactly this offset (0: the channel is empty). */
  readonly expectedOffset?: number
  /** Who appended it, as subscribers see it in `info`. */
  readonly info?: ClientInfo
  /** Where it is traced: the `traceparent` of what it is a part of. */
  readonly trace?: string | undefined
}

/** A durable publication as recorded fact. */
export interface StoredEvent {
  readonly channel: string
  /** Dense number in the channel: 1, 2, 3 … */
  readonly offset: number
  /** Dense number in the partition of the ledger. */
  readonly position: number
  readonly partition: number
  /** Lower-case UUID. */
  readonly id: string
  readonly type: string
  /** JSON text, byte for byte as it came. */
  readonly data: string
  /** JSON text of what Holdfast keeps beside the data (who appended it), or null. */
  readonly meta: string | null
  /** Milliseconds since 1970, taken by the database at the commit's statement. */
  readonly time: number
  /** As in `NewEvent`; never of what was read from the ledger, which does not keep it. */
  readonly trace?: string | undefined
}

/** The end of an append that is in the ledger. */
export interface Appended {
  readonly offset: number
  readonly epoch: string
  readonly id: string
  /** Milliseconds since 1970. */
  readonly time: number
  /** The event was already there with the same id, type and data: a retry met its own success. */
  readonly duplicate: boolean
}
