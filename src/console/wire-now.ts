import type { Mark, Part, RateCounts, Source } from './wire-common.ts'

/**
 * `GET /console/api/overview`, for polling each second or two: what every node says of itself, and the answers to the
 * first questions of an on-call night. It is read from this node's memory: no dependency can hang it.
 */
export interface Overview {
  readonly time: number
  readonly sources: readonly Source[]
  /** By name; this node among them. */
  readonly nodes: readonly NodeView[]
  readonly lost: LostVerdict
  readonly tiers: { readonly realtime: TierVerdict; readonly durable: TierVerdict }
  /** The latest twenty, the newest first. */
  readonly marks: Part<readonly Mark[]>
  /** Namespaces that take no publications now. */
  readonly readOnly: readonly string[]
  /** More than one release, or more than one configuration, among the nodes that were heard. */
  readonly skew: { readonly versions: readonly string[]; readonly configs: readonly string[] }
}

/** `unknown` is never good news: nobody looks, or nobody could be asked. */
export type Verdict = 'good' | 'bad' | 'degraded' | 'unknown'

/** Is anything acknowledged lost? */
export interface LostVerdict {
  readonly verdict: Verdict
  /** A sentence. */
  readonly says: string
  /** Acknowledged events that were found missing, by nodes that are known or as marks tell. */
  readonly lost: number | null
  readonly checked: number | null
  /** When the last complete audit ended; null: none is known. */
  readonly auditedAt: number | null
}

/** Does a tier deliver right now? By the canaries of the nodes. */
export interface TierVerdict {
  readonly verdict: Verdict
  readonly says: string
  readonly probes: readonly ProbeView[]
}

/** What canaries of one node saw of one tier by one path within the last minute. */
export interface ProbeView {
  readonly node: string
  /** Null of the path `connect`. */
  readonly tier: 'realtime' | 'durable' | null
  /**
   * `connect`: a new connection; `accept`: the answer to a publication or an append; `local`: its delivery by the same node;
   * `other`: its delivery by another one.
   */
  readonly path: string
  readonly succeeded: number
  readonly failed: number
  /** Failed as is to be expected now, for instance over a Redis that is away. */
  readonly degraded: number
  /** Of the latest that succeeded; null: none. */
  readonly latencyMs: number | null
  /** When it last succeeded. */
  readonly at: number | null
  /** Of the latest failure within the minute. */
  readonly reason: string | null
}

/** One node, and how this one knows of it. */
export interface NodeView {
  readonly sheet: NodeSheet
  readonly own: boolean
  readonly via: 'node' | 'bus' | 'postgres'
  /** When it was heard of last. A node that has not said goodbye stays for some minutes, with `heard: false`. */
  readonly at: number
  readonly heard: boolean
}

/** What a node says of itself: every two seconds while somebody looks, else every ten. */
export interface NodeSheet {
  readonly id: string
  readonly name: string
  readonly version: string
  /** Of Node.js. */
  readonly runtime: string
  readonly role: string
  readonly startedAt: number
  readonly time: number
  /** When the next one is to come. */
  readonly everySeconds: number
  /** Where people reach its console; null: not configured. */
  readonly url: string | null
  /** The first characters of a digest of the configuration without its secrets: nodes that differ are configured differently. */
  readonly config: string
  readonly health: 'ready' | 'degraded' | 'unavailable'
  readonly advice: string | null
  readonly draining: boolean
  readonly parts: {
    readonly bus: string
    readonly mirror: string
    readonly ledger: string
    readonly epoch: string
  }
  readonly connections: number
  readonly channels: number
  /** Bytes waiting for all sockets, and for the fullest. */
  readonly mailbox: { readonly bytes: number; readonly largest: number }
  readonly eventLoopLag: number
  /** How far the mirror in Redis is behind the ledger, as this node saw it; null: it does not know. */
  readonly mirrorLag: { readonly events: number; readonly seconds: number } | null
  /** Share of the memory it may use, 0 to 1. */
  readonly memory: number
  /** Why it refuses new connections now. */
  readonly shedding: readonly string[]
  readonly breakers: readonly BreakerView[]
  /** Per second, over the last ten seconds or so. */
  readonly perSecond: RateCounts
  /** Of the last five minutes. */
  readonly disconnects: Readonly<Record<string, number>>
  readonly probes: readonly Omit<ProbeView, 'node'>[]
  readonly audit: AuditView | null
  /** Namespaces that it keeps read-only: every node should name the same. */
  readonly readOnly: readonly string[]
}

export interface BreakerView {
  /** `bus`, `log`, `jobs`, `ledger`. */
  readonly role: string
  readonly state: 'passing' | 'rejecting' | 'probing'
  readonly since: number
  readonly reason: string
  readonly heldBy: string | null
  readonly changes: number
}

export interface AuditView {
  readonly lost: number
  readonly checked: number
  /** By kind, none that is 0. */
  readonly mismatches: Readonly<Record<string, number>>
  readonly completedAt: number | null
  /** When the last complete pass over every event's place began; null: this node has made none in its turn. */
  readonly wholeFrom: number | null
  /** Over how long a pass is spread that `completedAt` tells of. */
  readonly everySeconds: number
  /** Whether this node audits now: one of all does. */
  readonly running: boolean
}

/** `GET /console/api/lags`: which part lags, by events and seconds; the furthest behind first. */
export interface Lags {
  readonly time: number
  readonly sources: readonly Source[]
  /** What Postgres knows: groups, projections, outbox, jobs, cursors. */
  readonly lags: Part<readonly LagView[]>
  /** What the nodes say of themselves: mirror, event loop. */
  readonly nodes: Part<readonly LagView[]>
}

export interface LagView {
  readonly part:
    | 'mirror'
    | 'group'
    | 'projection'
    | 'outbox'
    | 'job'
    | 'cursor'
    | 'event_loop'
    | 'postgres_standby'
  /** The group's, the projection's with its build, the rule's, `<namespace>/<cursor>`, the node's. */
  readonly name: string
  readonly events: number | null
  readonly seconds: number | null
  /** What else is to be said, such as `paused` or `3 parked`. */
  readonly note: string | null
}

/**
 * `GET /console/api/top?seconds=2` (1 to 10): who is hit. Asked of every node on demand: each counts for so long, by a
 * sketch of bounded size, so that small ones may be missing and counts may be too low, by `error` at most.
 */
export interface Top {
  readonly time: number
  readonly seconds: number
  readonly nodes: readonly string[]
  /** Nodes that were there lately and did not answer. */
  readonly silent: readonly string[]
  readonly channels: readonly TopChannel[]
  readonly users: readonly TopUser[]
}

export interface TopChannel {
  readonly channel: string
  readonly subscribers: number
  /** Per second. */
  readonly publications: number
  /** Per second: publications times subscribers. */
  readonly deliveries: number
  /** Per second: how much too low `publications` may be. */
  readonly error: number
}

export interface TopUser {
  /** Empty: anonymous. */
  readonly user: string
  readonly connections: number
  readonly subscriptions: number
  /** Bytes that wait for its sockets. */
  readonly mailboxBytes: number
  /** Per second: what it published. */
  readonly publications: number
}
