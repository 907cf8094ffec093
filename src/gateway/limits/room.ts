import type { LimitCounts, LimitName } from '../limit-counts.ts'

/** So much of something may be in hand at a time; who comes above that is refused and counted. */
export class Room {
  readonly #most: number
  readonly #limit: LimitName
  readonly #counts: LimitCounts
  #used = 0

  constructor(most: number, limit: LimitName, counts: LimitCounts) {
    this.#most = most
    this.#limit = limit
    this.#counts = counts
  }

  get used(): number {
    return this.#used
  }

  /** One is always let in where nothing else is, however large. @returns whether there was room; then `leave` follows */
  enter(size: number): boolean {
    if (this.#used > 0 && this.#used + size > this.#most) {
      this.#counts.add(this.#limit)
      return false
    }
    this.#used += size
    return true
  }

  leave(size: number): void {
    this.#used -= size
  }
}
