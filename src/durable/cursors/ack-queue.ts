import { keyText } from './key.ts'
import type { AckOutcome } from './statements.ts'
import type { Ack, CursorPlace } from './types.ts'

/** Somebody who waits for the end of an ack. */
export interface AckWaiter {
  readonly ack: Ack
  /** When it was accepted, on the clock of `performance.now`. */
  readonly since: number
  resolve(place: CursorPlace): void
  reject(error: Error): void
}

/** The acks of one cursor that go as one row, with the highest offset. */
export interface Coalesced {
  readonly highest: Ack
  readonly waiters: readonly AckWaiter[]
}

/** Acks that wait for a flush, in the order in which their cursors were first heard of. Knows no database and no clock. */
export class AckQueue {
  readonly #byCursor = new Map<string, { highest: Ack; readonly waiters: AckWaiter[] }>()
  #size = 0

  /** Acks, not cursors. */
  get size(): number {
    return this.#size
  }

  add(waiter: AckWaiter): void {
    const { ack } = waiter
    // Offsets of different epochs cannot be compared here: the database knows which one is the present.
    const key = keyText(ack, ack.epoch)
    const found = this.#byCursor.get(key)
    if (found) {
      found.waiters.push(waiter)
      if (ack.offset > found.highest.offset) found.highest = ack
    } else this.#byCursor.set(key, { highest: ack, waiters: [waiter] })
    this.#size++
  }

  /** Takes the acks of at most `most` cursors out. */
  take(most: number): Coalesced[] {
    const taken: Coalesced[] = []
    for (const [key, coalesced] of this.#byCursor) {
      if (taken.length === most) break
      this.#byCursor.delete(key)
      this.#size -= coalesced.waiters.length
      taken.push(coalesced)
    }
    return taken
  }

  /** Takes out and returns those accepted before a moment. */
  takeOlder(since: number): AckWaiter[] {
    const waiters = this.take(Number.POSITIVE_INFINITY).flatMap(each => each.waiters)
    for (const waiter of waiters) if (waiter.since >= since) this.add(waiter)
    return waiters.filter(waiter => waiter.since < since)
  }
}

/**
 * What the outcome of a row means for one of the acks it stands for. `again`: it was carried along by one above the
 * head, and is right by itself.
 */
export function fateOf(ack: Ack, outcome: AckOutcome): AckOutcome | 'again' {
  return outcome.kind === 'above_head' && ack.offset <= outcome.head ? 'again' : outcome
}
