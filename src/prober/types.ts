import type { Tier } from '../domain/index.ts'

/**
 * What a probe says something about. `connect`: a new connection, from the opening to the answer; `accept`: the answer to
 * a publication or an append (of the durable tier: committed); `local`: its delivery by the same node; `other`: its delivery
 * by another one.
 */
export const probePaths = ['connect', 'accept', 'local', 'other'] as const
export type ProbePath = (typeof probePaths)[number]

/**
 * `degraded`: it failed as is to be expected, because the bus between the nodes is known to be away, and signals are not
 * queued.
 */
export type ProbeOutcome = 'succeeded' | 'degraded' | 'failed'

/**
 * `unconnected`: the canary has no connection; `refused`: the node said no; `unanswered`: it did not answer in time;
 * `unheard`: what was accepted did not come in time; `wrong`: something else came than was sent, or out of order.
 */
export const probeFailures = ['unconnected', 'refused', 'unanswered', 'unheard', 'wrong'] as const
export type ProbeFailure = (typeof probeFailures)[number]

/** What the canaries of this node have seen by one path. */
export interface ProbeSummary {
  /** Undefined of `connect`. */
  readonly tier: Tier | undefined
  readonly path: ProbePath
  /** Within the last minute. */
  readonly succeeded: number
  readonly degraded: number
  readonly failed: number
  /** Milliseconds, of the latest that succeeded; of `other` half of the way there and back. */
  readonly latencyMs: number | undefined
  /** Milliseconds since 1970, when it last succeeded. */
  readonly succeededAt: number | undefined
  /** Of the latest failure within the minute. */
  readonly reason: ProbeFailure | undefined
}

/** What was found not to be as it was acknowledged. */
export interface AuditSummary {
  /** Acknowledged events that are not there: anything above 0 is a broken promise. */
  readonly lost: number
  /** Comparisons since the process began. */
  readonly checked: number
  /** By kind, without those that are 0: what differs and is not lost, such as an entry of the mirror. */
  readonly mismatches: Readonly<Record<string, number>>
  /** Milliseconds since 1970, when this process has last been through everything; undefined: never. */
  readonly completedAt: number | undefined
  /** Milliseconds since 1970, when the last complete pass over every event's place began; undefined: none in this turn. */
  readonly wholeFrom: number | undefined
  /** Whether this process audits the whole ledger now: one of all does. */
  readonly leading: boolean
}

export interface ProberStatus {
  /** How many other nodes answer this one's canaries. */
  readonly listeners: number
  /** Probes that have failed since the process began. */
  readonly failures: number
  readonly probes: readonly ProbeSummary[]
  readonly audit: AuditSummary
}
