import type { DeliveryOutcome } from './deliverer.ts'
import type { DeliveryChange } from './delivery-rows.ts'
import type { Backoff } from './rule.ts'

export interface AttemptBounds {
  /** How many attempts were made before this one. */
  readonly attempts: number
  readonly maxAttempts: number
  readonly backoffMs: Backoff
}

/** What an attempt's outcome makes of its delivery's row. `random` is in [0, 1). */
export function endOfAttempt(
  outcome: DeliveryOutcome,
  { attempts, maxAttempts, backoffMs }: AttemptBounds,
  random: number = Math.random(),
): DeliveryChange {
  const made = attempts + 1
  switch (outcome.kind) {
    case 'done':
      return { state: 'done', attempts: made, reason: null, afterMs: 0 }
    case 'park':
      return { state: 'parked', attempts: made, reason: outcome.reason, afterMs: 0 }
    case 'hold':
      return { state: 'queued', attempts, reason: outcome.reason, afterMs: whole(outcome.afterMs) }
    case 'retry':
      if (made >= maxAttempts) {
        const reason = `${outcome.reason} (attempt ${made})`
        return { state: 'parked', attempts: made, reason, afterMs: 0 }
      }
      return {
        state: 'queued',
        attempts: made,
        reason: outcome.reason,
        afterMs: whole(outcome.afterMs ?? pause(made, backoffMs, random)),
      }
  }
}

/** Doubled with each attempt, and spread by half, so that what failed together does not come back together. */
function pause(made: number, { first, most }: Backoff, random: number): number {
  const full = Math.min(most, first * 2 ** Math.min(made - 1, 30))
  return full * (0.5 + random / 2)
}

/** Timers of BullMQ do not reach further than some years. */
const maxAfterMs = 366 * 86_400_000

function whole(afterMs: number): number {
  return Math.min(maxAfterMs, Math.max(0, Math.round(afterMs)))
}
