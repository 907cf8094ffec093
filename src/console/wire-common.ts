/** `viewer` sees everything and tails channels; `operator` acts, too. */
export type ConsoleRole = 'viewer' | 'operator'

/** The body of every answer with a status of 400 or above. */
export interface Refusal {
  readonly error: {
    /** A code of ERRORS.md, such as `NOT_AUTHENTICATED` (401), `NOT_PERMITTED` (403), `RATE_LIMITED` (429). */
    readonly code: string
    /** A sentence for people that says what to do. */
    readonly message: string
    /** Whether the same call may succeed later. */
    readonly temporary: boolean
  }
}

/** Where a value comes from: this node's memory, the other nodes over Redis, or Postgres. */
export type SourceName = 'node' | 'bus' | 'postgres'

/** Whether a source answers this node now. */
export interface Source {
  readonly name: SourceName
  readonly state: 'answering' | 'silent' | 'not_configured'
  /** When it last answered; null: never since this node began. */
  readonly answeredAt: number | null
  /** Why it is silent; null while it answers. */
  readonly problem: string | null
}

/**
 * A value and how it is known. `problem` and a value: the value is old (see `at`), because its source is silent now.
 * `problem` and no value: nobody knows.
 */
export interface Part<T> {
  readonly value: T | null
  readonly source: SourceName
  /** When the source said it; null where it never has. */
  readonly at: number | null
  readonly problem: string | null
}

/** `GET /console/api/me` */
export interface Me {
  readonly name: string
  readonly role: ConsoleRole
  /** No token is asked for, because `auth.insecure` is set and none is configured. */
  readonly open: boolean
  /** The node that answers. */
  readonly node: { readonly id: string; readonly name: string; readonly version: string }
  /** Whether channels can be tailed over the socket of this page's own origin: false on a worker. */
  readonly tail: boolean
  /** The clock of the node, to tell ages by. */
  readonly time: number
}

/** What is counted for rates. Names that a node does not count are left out. */
export type RateName =
  | 'published.realtime'
  | 'published.durable'
  | 'refused'
  | 'delivered.realtime'
  | 'delivered.durable'
  | 'dropped'
  | 'connects'
  | 'disconnects'
  | 'probe.failures'

export type RateCounts = Readonly<Partial<Record<RateName, number>>>

export type MarkKind =
  | 'node_started'
  | 'node_stopped'
  | 'config_changed'
  | 'version_changed'
  | 'breaker'
  | 'epoch'
  | 'ledger_server'
  | 'ledger_state'
  | 'projection_switched'
  | 'act'
  | 'audit'

/** Something that has changed. */
export interface Mark {
  /** The same wherever it is read. */
  readonly id: string
  readonly time: number
  readonly kind: MarkKind
  /** The node's name; null: of no node in particular. */
  readonly node: string | null
  /** A sentence. */
  readonly says: string
  readonly details: Readonly<Record<string, string | number | boolean | null>>
}

/** What somebody has done. */
export interface ActView {
  /** Below 0: it waits for Postgres. */
  readonly id: number
  readonly time: number
  /** `console:<name>` where it was done here. */
  readonly actor: string
  readonly act: string
  readonly target: string
  readonly reason: string | null
  /** `done`, `refused: …` or `failed: …`. */
  readonly outcome: string
}
