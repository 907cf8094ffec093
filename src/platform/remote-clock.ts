/** A difference is believed for one to two of these: so long a step of the other clock can mislead. */
const windowMs = 15_000

/** A server's clock (Redis', Postgres') as far as its answers tell, against this process' monotonic one. */
export class RemoteClock {
  readonly #now: () => number
  #ahead: number | undefined
  #before: number | undefined
  #windowEnds = 0

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** The answer was under way for a while, so the largest difference seen lately is the truest. */
  learn(clock: number): void {
    const now = this.#now()
    const ahead = clock - now
    if (now >= this.#windowEnds) {
      this.#before = this.#ahead
      this.#ahead = ahead
      this.#windowEnds = now + windowMs
    } else if (this.#ahead === undefined || ahead > this.#ahead) this.#ahead = ahead
  }

  forget(): void {
    this.#ahead = undefined
    this.#before = undefined
    this.#windowEnds = 0
  }

  /** A moment of this process, as the server's clock shows it, in milliseconds; 0 where that clock is not known. */
  at(moment: number): number {
    if (this.#ahead === undefined) return 0
    return Math.ceil(moment + Math.max(this.#ahead, this.#before ?? this.#ahead))
  }
}
