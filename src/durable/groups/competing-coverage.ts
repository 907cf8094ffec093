/** What is known of a partition at one moment. */
export interface Sight {
  /** Everything up to here is settled. */
  readonly floor: number
  /** The ledger's head. */
  readonly head: number
  /** The first position that the log hands out; undefined where nothing is handed out at all. */
  readonly logFloor: number | undefined
  /** Milliseconds of a clock that never goes back. */
  readonly now: number
}

export interface Span {
  readonly from: number
  readonly to: number
}

/**
 * Which positions of a partition have to be read from the ledger, because the log does not hand them out any more, or
 * has handed them out in vain:
 *   - between the floor and what the log covers: trimmed, or above a log that was filled anew
 *   - everything, while there is no log
 *   - what stays unsettled for longer than `patienceMs`, whoever was given it
 * What others are at work on just now is among it; taking positions sees to it that this does no harm.
 */
export class Coverage {
  readonly #patienceMs: number
  /** The head when it was looked last: the floor has to reach it within the patience. */
  #mark: { head: number; since: number } | undefined
  #span: { from: number; to: number } | undefined

  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs
  }

  /** The part that has not been read yet; undefined where the log sees to everything. */
  get span(): Span | undefined {
    return this.#span
  }

  look({ floor, head, logFloor, now }: Sight): void {
    let to = logFloor === undefined ? head : Math.min(head, logFloor - 1)
    if (this.#mark && floor < this.#mark.head) {
      if (now - this.#mark.since >= this.#patienceMs) {
        to = Math.max(to, this.#mark.head)
        this.#mark = { head, since: now }
      }
    } else {
      this.#mark = { head, since: now }
    }
    // A pass that is under way goes on: what it has read is in hand, and would be read again.
    if (this.#span) this.#span = span(Math.max(this.#span.from, floor + 1), Math.max(this.#span.to, to))
    else this.#span = span(floor + 1, to)
  }

  /** Everything up to here has been read. */
  advance(through: number): void {
    if (this.#span) this.#span = span(Math.max(this.#span.from, through + 1), this.#span.to)
  }
}

function span(from: number, to: number): Span | undefined {
  return from <= to ? { from, to } : undefined
}
