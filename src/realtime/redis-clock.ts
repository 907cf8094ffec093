/** An answer that took longer would have failed; a difference that is smaller by more means that Redis' clock was set back. */
const mostUnderWayMs = 5_000

/** Redis' clock as far as its answers on the present connection tell, against this process' monotonic one. */
export class RedisClock {
  #ahead: number | undefined

  /** The answer was under way for a while, so the largest difference seen is the truest. */
  learn(clock: number): void {
    const ahead = clock - performance.now()
    if (this.#ahead === undefined || ahead > this.#ahead || ahead < this.#ahead - mostUnderWayMs)
      this.#ahead = ahead
  }

  forget(): void {
    this.#ahead = undefined
  }

  /** A moment of this process, as Redis' clock shows it, in milliseconds; 0 where its clock is not known. */
  at(moment: number): number {
    return this.#ahead === undefined ? 0 : Math.ceil(moment + this.#ahead)
  }
}
