import type { BreakerState } from './breaker-states.ts'

/** What a guard has seen, counted from its beginning on. */
export interface Tally {
  /** Calls that were refused at once. */
  rejected: number
  failed: number
  /** Calls without an answer for longer than usual; those that were answered later, too. */
  slow: number
  /** Calls without an answer within the deadline. */
  missed: number
  readonly probes: { succeeded: number; failed: number }
  /** How often each state was entered. */
  readonly changes: Record<BreakerState, number>
}

export function newTally(): Tally {
  return {
    rejected: 0,
    failed: 0,
    slow: 0,
    missed: 0,
    probes: { succeeded: 0, failed: 0 },
    changes: { passing: 0, rejecting: 0, probing: 0 },
  }
}
