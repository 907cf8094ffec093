import { describe, expect, it } from 'vitest'
import { endOfAttempt } from './delivery-end.ts'

const bounds = { attempts: 0, maxAttempts: 3, backoffMs: { first: 1_000, most: 3_000 } }

describe('an attempt', () => {
  it('that is done settles the delivery', () => {
    expect(endOfAttempt({ kind: 'done' }, { ...bounds, attempts: 2 })).toEqual({
      state: 'done',
      attempts: 3,
      reason: null,
      afterMs: 0,
    })
  })

  it('that is to be retried waits longer each time, by chance at least half as long', () => {
    const retry = { kind: 'retry', reason: 'why' } as const
    const pauses = [0, 1, 2, 9, 500].map(attempts => {
      const many = { ...bounds, attempts, maxAttempts: 1_000 }
      return [0, 0.999_999].map(random => endOfAttempt(retry, many, random).afterMs)
    })
    expect(pauses).toEqual([
      [500, 1_000],
      [1_000, 2_000],
      [1_500, 3_000],
      [1_500, 3_000],
      [1_500, 3_000],
    ])
  })

  it('that names its pause gets it', () => {
    expect(endOfAttempt({ kind: 'retry', afterMs: 77, reason: 'why' }, bounds)).toEqual({
      state: 'queued',
      attempts: 1,
      reason: 'why',
      afterMs: 77,
    })
  })

  it('that was the last one parks, and says how many there were', () => {
    expect(endOfAttempt({ kind: 'retry', afterMs: 1, reason: 'no' }, { ...bounds, attempts: 2 })).toEqual({
      state: 'parked',
      attempts: 3,
      reason: 'no (attempt 3)',
      afterMs: 0,
    })
  })

  it('that was none is not counted', () => {
    const held = { kind: 'hold', afterMs: 5_000, reason: 'disabled' } as const
    expect(endOfAttempt(held, { ...bounds, attempts: 2 })).toEqual({
      state: 'queued',
      attempts: 2,
      reason: 'disabled',
      afterMs: 5_000,
    })
  })
})
