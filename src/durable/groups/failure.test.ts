import { describe, expect, it } from 'vitest'
import { HoldfastError } from '../../domain/index.ts'
import { failureOf, outcomeOf } from './failure.ts'
import { done, park, retry } from './outcome.ts'

const settings = { maxAttempts: 5, retryMs: { first: 100, most: 1_000 } }

describe('an error', () => {
  it('is retried after pauses that double up to the longest, spread by chance', () => {
    const pauses = [1, 2, 3, 4].map(attempt => failureOf(new Error('no'), attempt, settings, 0.5))
    expect(pauses).toEqual([100, 200, 400, 800].map(afterMs => ({ kind: 'retry', afterMs, reason: 'no' })))
    const late = failureOf('no', 60, { ...settings, maxAttempts: 100 }, 0)
    expect(late).toEqual({ kind: 'retry', afterMs: 500, reason: 'no' })
  })

  it('is parked after the last attempt', () => {
    expect(failureOf(new Error('no'), 5, settings)).toEqual({ kind: 'park', reason: 'no (attempt 5)' })
  })

  it('is never parked where an operator has stopped what the handler writes to', () => {
    const stopped = new HoldfastError('READ_ONLY', 'not now')
    expect(failureOf(stopped, 99, settings, 0.5)).toEqual({
      kind: 'retry',
      afterMs: 1_000,
      reason: 'not now',
    })
  })

  it('leaves a reason that Postgres can keep, whatever was thrown', () => {
    const reason = (error: unknown) => failureOf(error, 1, settings).reason
    expect(reason(new Error('a\u0000b\ud800'))).toBe('ab\ufffd')
    expect(reason(new Error('x'.repeat(5_000)))).toHaveLength(1_000)
    expect(reason(new TypeError(''))).toBe('TypeError')
    expect(reason(undefined)).toBe('undefined')
    expect(reason(Object.create(null))).toBe('an error that cannot be shown')
  })
})

describe('what a handler returns', () => {
  it('is an outcome, or nothing, which is done', () => {
    expect(outcomeOf(undefined)).toEqual(done())
    for (const outcome of [done(), retry(5, 'later'), park('never')])
      expect(outcomeOf(outcome)).toEqual(outcome)
  })

  it.each([
    null,
    true,
    'done',
    {},
    { kind: 'retry' },
    { kind: 'retry', afterMs: -1, reason: '' },
    { kind: 'retry', afterMs: Number.NaN },
  ])('is an error otherwise: %j', returned => expect(outcomeOf(returned)).toBeInstanceOf(Error))
})
