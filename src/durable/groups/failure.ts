import { HoldfastError, storable } from '../../domain/index.ts'
import type { Outcome } from './outcome.ts'
import type { GroupSettings } from './settings.ts'

/** An end that is not `done`. */
export type Failure = Exclude<Outcome, { kind: 'done' }>

/**
 * What a handler throws where no event is to blame, as when a table is missing: the same events are handled again, however
 * often, and none is ever parked for it. Everything behind them waits, not only their channels.
 */
export class NobodysFault extends Error {}

/** What is kept of a reason. */
const maxReasonLength = 1_000

/**
 * What a handler that threw or took too long has asked for: to be called again after a pause that doubles from one
 * attempt to the next, half to one and a half of it by chance; after the last attempt, to be parked.
 */
export function failureOf(
  error: unknown,
  attempt: number,
  { maxAttempts, retryMs }: Pick<GroupSettings, 'maxAttempts' | 'retryMs'>,
  chance: number = Math.random(),
): Failure {
  const reason = reasonOf(error)
  // An operator has stopped what the handler writes to, and lets it go on some day: no event is to be parked for that.
  const stopped = error instanceof HoldfastError && error.code === 'READ_ONLY'
  if (attempt >= maxAttempts && !stopped) return { kind: 'park', reason: `${reason} (attempt ${attempt})` }
  const pause = Math.min(retryMs.first * 2 ** Math.min(attempt - 1, 40), retryMs.most)
  return { kind: 'retry', afterMs: pause * (0.5 + chance), reason }
}

/** What a handler has returned, as an outcome; anything that is none stands for an error. */
export function outcomeOf(returned: unknown): Outcome | Error {
  if (returned === undefined) return { kind: 'done' }
  const { kind, afterMs, reason } = (returned ?? {}) as Record<string, unknown>
  if (kind === 'done') return { kind }
  if (kind === 'retry' && typeof afterMs === 'number' && afterMs >= 0 && afterMs <= Number.MAX_SAFE_INTEGER)
    return { kind, afterMs, reason: shown(reason) }
  if (kind === 'park') return { kind, reason: shown(reason) }
  return new Error('the handler returned something else than done(), retry(afterMs, reason) or park(reason)')
}

function reasonOf(thrown: unknown): string {
  let error = thrown
  // What a query builder says around it is the statement, with the application's data.
  while (error instanceof Error && error.cause instanceof Error && 'severity' in error.cause)
    error = error.cause
  const message = error instanceof Error ? error.message || error.name : error
  return shown(message)
}

function shown(reason: unknown): string {
  let text: string
  try {
    text = String(reason)
  } catch {
    text = 'an error that cannot be shown'
  }
  return storable(text, maxReasonLength)
}
