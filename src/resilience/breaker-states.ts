import type { FailureWindow, WindowRules } from './failure-window.ts'

/** `rejecting`: calls fail at once; `probing`: they still do, while a probe finds out. */
export type BreakerState = 'passing' | 'rejecting' | 'probing'

export interface BreakerRules {
  /** This many failed calls in a row make it reject. */
  readonly inARow: number
  readonly window: WindowRules
  /** How long it rejects before the first probe, and the most after doubling, in milliseconds; jittered. */
  readonly restMs: { readonly first: number; readonly most: number }
  /** Probes that must succeed one after the other before it passes. */
  readonly goodProbes: number
  /**
   * What a slow or an unanswered call says. `failure`: a slow one is a failure, an unanswered one makes it reject.
   * `doubt`: nothing by itself, for where a healthy dependency may take its time; a probe has to tell.
   */
  readonly slowness: 'failure' | 'doubt'
}

export interface Common {
  /** On the clock of the events. */
  readonly since: number
  readonly reason: string
  /** A probe is under way; there is never a second one. In `rejecting` it is one that was overtaken, and decides nothing. */
  readonly probeOut: boolean
  /** The next rest, before jitter. */
  readonly restMs: number
}

export interface Passing extends Common {
  readonly state: 'passing'
  /** By an operator: only `released` or another `held` ends it. */
  readonly held: boolean
  readonly failures: FailureWindow
  /** What would have made it reject, were it not held, and no success since. */
  readonly trouble: string | undefined
}

export interface Rejecting extends Common {
  readonly state: 'rejecting'
  readonly held: boolean
  readonly probeAt: number
}

export interface Probing extends Common {
  readonly state: 'probing'
  /** Probes that have succeeded in a row. */
  readonly good: number
  /** When the next one is due, where none is out. */
  readonly probeAt: number
}

export type Breaker = Passing | Rejecting | Probing

export type BreakerEvent =
  /** Calls that were answered in time, since the event before this one; while it does not pass, calls that began since then. */
  | { readonly kind: 'calls_succeeded'; readonly count: number }
  | { readonly kind: 'call_failed'; readonly reason: string }
  /** Not answered yet, and later than is usual. */
  | { readonly kind: 'call_slow' }
  | { readonly kind: 'call_missed' }
  /** Known from elsewhere to be away, such as by a closed connection. */
  | { readonly kind: 'tripped'; readonly reason: string }
  /** The rest is over, or there is a reason to ask now. */
  | { readonly kind: 'probe_due' }
  | { readonly kind: 'probe_succeeded' }
  | { readonly kind: 'probe_failed'; readonly reason: string }
  | { readonly kind: 'held'; readonly as: 'passing' | 'rejecting'; readonly reason: string }
  | { readonly kind: 'released'; readonly reason: string }

/** What the machine does not know by itself. */
export interface Surroundings {
  readonly rules: BreakerRules
  /** The moment of the event, in milliseconds of a clock that never goes back. */
  readonly at: number
  /** In [0, 1). */
  readonly random: () => number
}
