import { codes, type HoldfastClientError } from './errors.ts'

/**
 * The deciding half of the appender: where each append of one channel stands, and what happens next. Knows no
 * clock and no connection.
 *
 *   waiting ──► in_flight ──► (acknowledged or refused: it leaves the lane)
 *                 ▲   │ temporary error, timeout, connection lost
 *                 │   ▼
 *               backing_off
 */
export type Phase =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'in_flight'; readonly attempt: number }
  | {
      readonly kind: 'backing_off'
      readonly attempt: number
      readonly until: number
      /** Of the error that it was answered with. */
      readonly code: number
    }

export interface Moment {
  readonly now: number
  readonly connected: boolean
}

export interface Sends {
  /** Indexes into the lane, in the order they must go out. */
  readonly send: readonly number[]
  /** When to look again, where nothing else will cause it. */
  readonly wakeAt: number | undefined
}

/**
 * Which appends of a lane go out now. At most `window` are under way at a time, and behind one that waits to be
 * repeated nothing new starts: with a window of 1 an append never overtakes an earlier one, with a larger window
 * one that has to be repeated can be overtaken by at most `window − 1` that were sent before its failure was known.
 */
export function nextSends(lane: readonly Phase[], window: number, moment: Moment): Sends {
  if (!moment.connected) return { send: [], wakeAt: undefined }
  const send: number[] = []
  for (let i = 0; i < Math.min(window, lane.length); i++) {
    const phase = lane[i]
    if (phase?.kind === 'backing_off' && phase.until > moment.now) return { send, wakeAt: phase.until }
    if (phase?.kind !== 'in_flight') send.push(i)
  }
  return { send, wakeAt: undefined }
}

export type Verdict =
  | { readonly kind: 'repeat'; readonly phase: Phase }
  | { readonly kind: 'refused'; readonly error: HoldfastClientError }

const firstDelayMs = 100
/** Half of the time in which everything has to be well again once the server's trouble is over. */
const longestDelayMs = 5_000
/** No reply in time, transport closed, connection closed: the timeout and the SDK's reconnects are delay enough. */
const paced: ReadonlySet<number> = new Set([1, 2, 11])

/**
 * What a failed attempt means. The id stays, so a repeat of an append that did arrive is answered as a duplicate.
 * `random` (0 to 1) spreads the repeats of many clients over the whole delay.
 */
export function afterFailure(
  error: HoldfastClientError,
  attempt: number,
  at: { now: number; random: number },
): Verdict {
  if (!error.temporary) return { kind: 'refused', error }
  const longest = paced.has(error.code)
    ? 0
    : Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(attempt - 1, 20))
  return {
    kind: 'repeat',
    phase: { kind: 'backing_off', attempt, until: at.now + longest * at.random, code: error.code },
  }
}

/**
 * The phase of an append when another one of its channel was acknowledged that had failed too: the server's trouble is
 * over, so it is due. Only one that was refused because there were too many waits for as long as it would have.
 */
export function afterSuccess(phase: Phase, now: number): Phase {
  if (phase.kind !== 'backing_off' || phase.code === codes.tooManyRequests) return phase
  return { ...phase, until: Math.min(phase.until, now) }
}

/** The phase of an append that goes out now. */
export function sent(phase: Phase): Phase {
  return { kind: 'in_flight', attempt: phase.kind === 'waiting' ? 1 : phase.attempt + 1 }
}
