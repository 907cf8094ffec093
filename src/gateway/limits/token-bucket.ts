/** How often something may happen. */
export interface Rate {
  /** In the long run. 0: as often as one likes. */
  readonly perSecond: number
  /** At once, after a while of nothing; by default two seconds' worth. */
  readonly burst?: number | undefined
}

/** A rate as buckets reckon with it. */
export interface Pace {
  readonly perMs: number
  readonly burst: number
  /** After so long without use a bucket is full, and as good as a new one. */
  readonly refillMs: number
}

const defaultBurstSeconds = 2

/** Sums of many small steps are not exact: without this, who keeps to the rate would now and then come too early. */
const rounding = 1e-6

/** Undefined: no limit. */
export function paceOf({ perSecond, burst }: Rate): Pace | undefined {
  if (perSecond === 0) return undefined
  const atOnce = burst ?? Math.max(1, Math.ceil(perSecond * defaultBurstSeconds))
  return { perMs: perSecond / 1000, burst: atOnce, refillMs: (atOnce / perSecond) * 1000 }
}

/**
 * A token bucket: never more than `burst + perSecond · t` in any t seconds, and always so much in the long run, because
 * what is refused uses up nothing. Two numbers that change in place; no timer. Times are milliseconds of any clock that
 * does not go back.
 */
export class TokenBucket {
  readonly #pace: Pace
  #tokens: number
  #at: number

  constructor(pace: Pace, now: number) {
    this.#pace = pace
    this.#tokens = pace.burst
    this.#at = now
  }

  /** Whether there is one to take. */
  has(now: number): boolean {
    if (now > this.#at) {
      const { burst, perMs } = this.#pace
      this.#tokens = Math.min(burst, this.#tokens + (now - this.#at) * perMs)
      this.#at = now
    }
    return this.#tokens >= 1 - rounding
  }

  /** Only after `has` has said that there is one. */
  take(): void {
    this.#tokens--
  }

  /** @returns whether there was one */
  tryTake(now: number): boolean {
    if (!this.has(now)) return false
    this.take()
    return true
  }
}
