import type { Outcome } from '../groups/outcome.ts'

/** An event on its way out of the ledger: `data` and `info` as the JSON texts they came in. */
export interface DeliveredEvent {
  readonly id: string
  readonly type: string
  readonly channel: string
  /** Dense number in the channel. */
  readonly offset: number
  /** Where it lies in the ledger. */
  readonly partition: number
  readonly position: number
  readonly epoch: string
  /** Milliseconds since 1970. */
  readonly time: number
  /** JSON text, byte for byte as it was appended. */
  readonly data: string
  /** JSON text of who appended it; null for the server itself. */
  readonly info: string | null
}

export interface DeliveryAttempt {
  readonly rule: string
  /** The number of the delivery's row: the same in every attempt. */
  readonly deliveryId: number
  /** 1 for the first time. */
  readonly attempt: number
  /** After so many attempts in all that end in `retry`, the delivery is parked. */
  readonly maxAttempts: number
  /** Aborted when its result would be lost: the process must stop. */
  readonly signal: AbortSignal
}

/**
 * How an attempt ended. `hold` is none: nothing was tried (the endpoint is disabled, say), the delivery is looked at again
 * after so long, and nothing is counted. `retry` without `afterMs` leaves the pause to the rule's backoff.
 */
export type DeliveryOutcome =
  | Outcome
  | { readonly kind: 'retry'; readonly afterMs?: number; readonly reason: string }
  | { readonly kind: 'hold'; readonly afterMs: number; readonly reason: string }

/**
 * What brings a rule's events to their receiver. It may be called again for an event that it has delivered (a killed process,
 * a lost answer), also side by side with an earlier call that hangs; receivers tell by the event's id.
 */
export interface Deliverer {
  /** A thrown error counts as `retry` with its message. */
  deliver(event: DeliveredEvent, attempt: DeliveryAttempt): Promise<DeliveryOutcome>
  /** Lets go of what it holds (connections). */
  close(): Promise<void>
}
