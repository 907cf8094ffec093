/**
 * How many events the next turns may take. After a turn of several has failed at one of them, those before it are handled
 * again without it, then it alone, so that it spoils nothing but itself; then whole batches again.
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

  /** The turn has ended, and what it took is settled. */
  settled(): void {
    this.#planned.shift()
  }

  /** A turn of `count` has failed at `index`, or for a reason that none of them can be blamed for. */
  failed(count: number, index: number | undefined): void {
    this.#planned.shift()
    if (index === undefined) this.#planned.unshift(...Array.from({ length: count }, () => 1))
    else this.#planned.unshift(...(index > 0 ? [index, 1] : [1]))
  }

  /** What was planned for does not come next any more. */
  reset(): void {
    this.#planned = []
  }
}
