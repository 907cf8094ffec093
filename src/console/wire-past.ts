import type { ActView, Mark, Part, RateName, Source } from './wire-common.ts'

/**
 * `GET /console/api/rates?minutes=60` (5 to 10080): counts per step, over all nodes, now and a week before. While Postgres is
 * away there are the last hours of the nodes that this one heard, and nothing of last week.
 */
export interface Rates {
  readonly time: number
  readonly sources: readonly Source[]
  /** Length of one step, at least a minute. */
  readonly stepSeconds: number
  /** Begin of each step, ascending; the last one may be under way. */
  readonly at: readonly number[]
  /** Per second, by step; null: nothing is known of it. */
  readonly now: Part<RateSeries>
  /** The same steps seven days earlier. */
  readonly lastWeek: Part<RateSeries>
  /** Connections by the code they ended with, in the same time. */
  readonly disconnects: Part<Readonly<Record<string, number>>>
  readonly disconnectsLastWeek: Part<Readonly<Record<string, number>>>
  readonly connections: Part<readonly (number | null)[]>
  readonly connectionsLastWeek: Part<readonly (number | null)[]>
}

export type RateSeries = Readonly<Partial<Record<RateName, readonly (number | null)[]>>>

/** `GET /console/api/marks?before=<time>&limit=100&kind=breaker`: the newest first. */
export interface Marks {
  readonly time: number
  readonly sources: readonly Source[]
  readonly marks: Part<readonly Mark[]>
  /** What to ask the next page `before`; null at the end. */
  readonly next: number | null
}

/** `GET /console/api/acts?before=<id>&limit=100&actor=…&target=…`: the audit log, the newest first. */
export interface Acts {
  readonly time: number
  readonly acts: Part<readonly ActView[]>
  readonly next: number | null
}

/** `GET /console/api/event?id=<uuid>` or `?channel=…&offset=…`: what happened to this one event. */
export interface EventAnswer {
  readonly time: number
  /** Several channels may share an id. Empty: never recorded. */
  readonly stories: Part<readonly EventStoryView[]>
}

export interface EventStoryView {
  readonly eventId: string | null
  readonly channel: string
  readonly offset: number
  readonly partition: number
  readonly position: number | null
  readonly type: string | null
  readonly recorded: number | null
  readonly ledger: 'recorded' | 'erased' | 'removed'
  /** Whether the mirror in Redis has its position; null: unknown. */
  readonly mirrored: boolean | null
  /** Subscribers of its channel over the nodes that answered now; null: unknown. */
  readonly subscribers: number | null
  /** JSON text, cut at 4,096 characters; null where it is gone. */
  readonly data: string | null
  readonly consumers: readonly {
    readonly consumer: string
    readonly state: string
    readonly delivery: number | null
    readonly attempts: number | null
    readonly reason: string | null
    readonly due: number | null
    readonly updated: number | null
    readonly actor: string | null
  }[]
  readonly acts: readonly {
    readonly time: number
    readonly actor: string
    readonly act: string
    readonly target: string
    readonly reason: string | null
  }[]
}
