import type { StoredEvent } from '../../domain/index.ts'

/** Bytes of data that are read at once, more or less. */
const maxBytes = 1_048_576
/** Most events read at once, however small they are. */
const maxEvents = 500
/** How much of what was learnt stays with each page. */
const memory = 0.8

/**
 * How many events to ask for, so that enough of them are for the group's handlers and not too much of them has to be held
 * in memory. Learns from what comes.
 */
export class Appetite {
  #share = 1
  #eventBytes = 1_000

  /** `matched` of them had a handler. */
  learn(events: readonly StoredEvent[], matched: number): void {
    if (events.length === 0) return
    const bytes = events.reduce((sum, { data }) => sum + data.length, 0) / events.length
    this.#share = memory * this.#share + (1 - memory) * (matched / events.length)
    // Up at once: one large event is likely followed by another.
    this.#eventBytes = Math.max(bytes, memory * this.#eventBytes + (1 - memory) * bytes)
  }

  /** To get about `wanted` events that have a handler. */
  count(wanted: number): number {
    const most = Math.min(maxEvents, Math.max(1, Math.floor(maxBytes / (this.#eventBytes + 1))))
    return Math.max(1, Math.min(most, Math.ceil(wanted / Math.max(this.#share, 0.01))))
  }
}
