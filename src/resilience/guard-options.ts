import type { BreakerRules, BreakerState } from './breaker-states.ts'
import type { Clock } from './clock.ts'

/** Whether a failure speaks against the dependency. */
export type Blame = boolean | 'at once' | 'unsure'

export interface GuardOptions {
  /** What stands behind it, for messages: `redis`. */
  readonly name: string
  /** After this long a call counts as unanswered. A hung dependency raises no error: only a deadline shows it. */
  readonly deadlineMs: number
  /** After this long without an answer a call is slow; by default half of the deadline. */
  readonly slowMs?: number
  /** See `BreakerRules`; by default `failure`. */
  readonly slowness?: BreakerRules['slowness']
  /** This many failed calls in a row make it reject; a single unanswered one does at once. */
  readonly maxFailures?: number
  readonly window?: BreakerRules['window']
  /** How long it rejects before the first probe, and the most after doubling; jittered. */
  readonly restMs?: { readonly first: number; readonly most: number }
  /** Asks the dependency for a sign of life, in the way that calls need it. */
  readonly probe: () => Promise<unknown>
  /** A probe without an answer for so long has failed; by default the time after which a call is slow: what passes has to be of use.  */
  readonly probeMs?: number
  /** Probes that must succeed one after the other; by default one. */
  readonly goodProbes?: number
  /** While it passes, and no call was answered for so long, it probes. Without it only calls find out. */
  readonly idleMs?: number
  /** Why calls have to wait for a probe at first, such as a connection that is still being made. */
  readonly awayAtFirst?: string
  /**
   * Whether a failed call speaks against the dependency itself; a wrong request does not, and shows that it lives.
   * `at once`: nothing more has to be counted. `unsure`: it may be the caller's own fault; where slowness is a doubt, this
   * is one too.
   */
  readonly blames?: (error: unknown) => Blame
  readonly onChange?: (state: BreakerState, reason: string) => void
  readonly clock?: Clock
  /** In [0, 1). */
  readonly random?: () => number
}
