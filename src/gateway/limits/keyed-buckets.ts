import { type Pace, TokenBucket } from './token-bucket.ts'

/** Names whose buckets are kept apart; some 150 bytes each. */
export const maxKeyedBuckets = 50_000

/**
 * One token bucket for each name, bounded in number. A bucket that was not touched for as long as it takes to fill is
 * forgotten, which changes nothing: a new one is full too. Where more names than `most` come within that time, those
 * that were untouched longest are forgotten early: a flood of names costs no more memory, and what is in use stays.
 */
export class KeyedBuckets {
  readonly #pace: Pace
  readonly #perGeneration: number
  /** Touched since `#since`, and in the time before it. */
  #recent = new Map<string, TokenBucket>()
  #earlier = new Map<string, TokenBucket>()
  #since = Number.NEGATIVE_INFINITY

  constructor(pace: Pace, most = maxKeyedBuckets) {
    this.#pace = pace
    this.#perGeneration = most / 2
  }

  get size(): number {
    return this.#recent.size + this.#earlier.size
  }

  /** To be used at once: a bucket that is kept elsewhere may no longer be the one of its name. */
  of(key: string, now: number): TokenBucket {
    if (now - this.#since > this.#pace.refillMs) this.#turn(now)
    const recent = this.#recent.get(key)
    if (recent) return recent
    const bucket = this.#earlier.get(key) ?? new TokenBucket(this.#pace, now)
    this.#earlier.delete(key)
    if (this.#recent.size >= this.#perGeneration) this.#turn(now)
    this.#recent.set(key, bucket)
    return bucket
  }

  #turn(now: number): void {
    this.#earlier = this.#recent
    this.#recent = new Map()
    this.#since = now
  }
}
