/** The stretch of a turn's items that a failure lies in. */
export interface Blame {
  readonly index: number
  /** More than one where nobody knows for whose sake it was. */
  readonly count: number
}

/**
 * How many events the next turns may take. After a turn of several has failed, those before the failure are handled again
 * without it; a stretch of which nobody knows who is to blame is halved until one is alone, so that it spoils nothing
 * but itself; then come whole turns again.
 */
export class TurnSizes {
  readonly #whole: number
  /** Of the next turns, the first one first. */
  #planned: number[] = []

  constructor(whole: number) {
    this.#whole = whole
  }

  get next(): number {
    return this.#planned[0] ?? this.#whole
  }

  /** Whether a turn of the next size ends where something has failed, so that waiting for more would be in vain. */
  get planned(): boolean {
    return this.#planned.length > 0
  }

  /** The turn has ended, and what it took is settled. */
  settled(): void {
    this.#planned.shift()
  }

  failed({ index, count }: Blame): void {
    this.#planned.shift()
    this.#planned.unshift(...(index > 0 ? [index] : []), ...halves(count))
  }
}

/** What is tried by itself next. */
export function halves(count: number): number[] {
  const first = Math.ceil(count / 2)
  return count > 1 ? [first, count - first] : [count]
}
