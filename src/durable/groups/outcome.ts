/**
 * How the handling of an event ended. A handler returns one; a thrown error stands for `retry` until the attempts are
 * used up, then for `park`.
 */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'retry'; readonly afterMs: number; readonly reason: string }
  | { readonly kind: 'park'; readonly reason: string }

/** It is settled, together with what the handler wrote in the transaction. */
export function done(): Outcome {
  return { kind: 'done' }
}

/** What was written is taken back, and the event handled again after so many milliseconds. */
export function retry(afterMs: number, reason: string): Outcome {
  return { kind: 'retry', afterMs, reason }
}

/** What was written is taken back, and the event set aside until a person redrives or discards it. */
export function park(reason: string): Outcome {
  return { kind: 'park', reason }
}
