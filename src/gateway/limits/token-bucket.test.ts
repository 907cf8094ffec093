import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KeyedBuckets } from './keyed-buckets.ts'
import { type Pace, paceOf, TokenBucket } from './token-bucket.ts'

const pace = (perSecond: number, burst?: number) => paceOf({ perSecond, burst }) as Pace
/** Sums of thousands of small steps are not exact. */
const rounding = 1e-6

describe('a token bucket', () => {
  it('gives its burst at once and no more, then one whenever one has come', () => {
    const bucket = new TokenBucket(pace(10, 3), 0)
    const taken = [0, 0, 0, 0, 99, 100, 100, 199, 200].map(now => bucket.tryTake(now))
    expect(taken).toEqual([true, true, true, false, false, true, false, false, true])
  })

  it('never holds more than its burst, however long it rests', () => {
    const bucket = new TokenBucket(pace(10, 3), 0)
    expect([1, 2, 3, 4].map(() => bucket.tryTake(3_600_000))).toEqual([true, true, true, false])
  })

  it('has a burst of two seconds where none is given, and of one at least', () => {
    expect(pace(20).burst).toBe(40)
    expect(pace(0.01)).toMatchObject({ burst: 1, refillMs: 100_000 })
    expect(paceOf({ perSecond: 0 })).toBeUndefined()
  })

  const rates = fc.record({
    perSecond: fc.double({ min: 0.5, max: 5_000, noNaN: true }),
    burst: fc.integer({ min: 1, max: 500 }),
  })
  const pauses = fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 2_000, noNaN: true })), {
    minLength: 1,
    maxLength: 400,
  })

  it('gives in no window more than the burst and what comes in it, whoever asks when', () => {
    fc.assert(
      fc.property(rates, pauses, ({ perSecond, burst }, gaps) => {
        const bucket = new TokenBucket(pace(perSecond, burst), 0)
        const taken: number[] = []
        let now = 0
        for (const gap of gaps) {
          now += gap
          if (bucket.tryTake(now)) taken.push(now)
        }
        for (let from = 0; from < taken.length; from++) {
          for (let to = from; to < taken.length; to++) {
            const seconds = ((taken[to] ?? 0) - (taken[from] ?? 0)) / 1_000
            if (to - from + 1 > burst + perSecond * seconds + rounding) return false
          }
        }
        return true
      }),
      { numRuns: 200 },
    )
  })

  it('starves nobody: who asks more often than the rate gets the whole rate', () => {
    fc.assert(
      fc.property(rates, fc.integer({ min: 1, max: 20 }), ({ perSecond, burst }, times) => {
        const bucket = new TokenBucket(pace(perSecond, burst), 0)
        const step = 1_000 / perSecond / times
        const steps = 400
        let taken = 0
        for (let i = 0; i < steps; i++) if (bucket.tryTake(i * step)) taken++
        const due = Math.min(steps, burst + ((steps - 1) * step * perSecond) / 1_000)
        return taken >= Math.floor(due - rounding)
      }),
      { numRuns: 200 },
    )
  })
})

describe('buckets by name', () => {
  it('keep names apart, and each one’s place while it is in use', () => {
    const buckets = new KeyedBuckets(pace(1, 2))
    expect(['a', 'a', 'a', 'b'].map(key => buckets.of(key, 0).tryTake(0))).toEqual([true, true, false, true])
    expect(buckets.of('a', 900).tryTake(900)).toBe(false)
    expect(buckets.of('a', 1_000).tryTake(1_000)).toBe(true)
  })

  it('forget those that are full again, and only those', () => {
    const buckets = new KeyedBuckets(pace(1, 2))
    for (let i = 0; i < 100; i++) buckets.of(`${i}`, i).tryTake(i)
    expect(buckets.size).toBe(100)
    const emptied = buckets.of('busy', 1_500)
    emptied.tryTake(1_500)
    emptied.tryTake(1_500)
    // Two turns later nothing is left of the hundred; the busy one is not full before 3,500.
    buckets.of('other', 2_200)
    expect(buckets.of('busy', 2_400)).toBe(emptied)
    buckets.of('other', 4_300)
    buckets.of('other', 6_400)
    expect(buckets.size).toBe(1)
  })

  it('take no more memory however many names come, and keep what is in use', () => {
    const buckets = new KeyedBuckets(pace(1, 3), 1_000)
    const flooded = buckets.of('flooded', 0)
    for (let i = 0; i < 100_000; i++) {
      buckets.of(`random ${i}`, 0)
      if (i % 100 === 0) expect(buckets.of('flooded', 0)).toBe(flooded)
      if (buckets.size > 1_000) throw new Error(`${buckets.size} are kept`)
    }
  })

  it('give the same as a bucket that is never forgotten', () => {
    const names = fc.constantFrom('a', 'b', 'c')
    const asks = fc.array(fc.tuple(names, fc.integer({ min: 0, max: 700 })), { maxLength: 200 })
    fc.assert(
      fc.property(asks, each => {
        const rate = pace(2, 3)
        const kept = new Map<string, TokenBucket>()
        const buckets = new KeyedBuckets(rate)
        let now = 0
        return each.every(([name, gap]) => {
          now += gap
          const bucket = kept.get(name) ?? new TokenBucket(rate, now)
          kept.set(name, bucket)
          return buckets.of(name, now).tryTake(now) === bucket.tryTake(now)
        })
      }),
      { numRuns: 300 },
    )
  })
})
