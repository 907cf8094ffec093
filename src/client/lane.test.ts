import { describe, expect, it } from 'vitest'
import { HoldfastClientError } from './errors.ts'
import { afterFailure, afterSuccess, nextSends, type Phase, sent } from './lane.ts'

const waiting: Phase = { kind: 'waiting' }
const inFlight: Phase = { kind: 'in_flight', attempt: 1 }
const backingOff = (until: number, code = 100): Phase => ({ kind: 'backing_off', attempt: 1, until, code })
const at = (now: number, connected = true) => ({ now, connected })

describe('a lane', () => {
  it('sends nothing without a connection', () => {
    expect(nextSends([waiting, backingOff(0)], 2, at(5, false))).toEqual({ send: [], wakeAt: undefined })
  })

  it('with a window of one sends the first, and nothing behind it', () => {
    expect(nextSends([waiting, waiting], 1, at(0)).send).toEqual([0])
    expect(nextSends([inFlight, waiting], 1, at(0)).send).toEqual([])
  })

  it('waits for the one that is to be repeated, and starts nothing behind it', () => {
    expect(nextSends([backingOff(10), waiting], 3, at(9))).toEqual({ send: [], wakeAt: 10 })
    expect(nextSends([backingOff(10), waiting], 3, at(10))).toEqual({ send: [0, 1], wakeAt: undefined })
    expect(nextSends([inFlight, backingOff(10), waiting], 3, at(9))).toEqual({ send: [], wakeAt: 10 })
  })

  it('fills the window in order', () => {
    expect(nextSends([inFlight, waiting, waiting, waiting], 3, at(0)).send).toEqual([1, 2])
  })

  it('counts attempts', () => {
    expect(sent(waiting)).toEqual({ kind: 'in_flight', attempt: 1 })
    expect(sent({ kind: 'backing_off', attempt: 4, until: 0, code: 100 })).toEqual({
      kind: 'in_flight',
      attempt: 5,
    })
  })
})

describe('an acknowledged append', () => {
  it('makes those of its channel due that wait for the end of the same trouble, and none that was too many', () => {
    expect(afterSuccess(backingOff(90), 10)).toEqual(backingOff(10))
    expect(afterSuccess(backingOff(5), 10)).toEqual(backingOff(5))
    expect(afterSuccess(backingOff(90, 111), 10)).toEqual(backingOff(90, 111))
    expect(afterSuccess(inFlight, 10)).toEqual(inFlight)
  })
})

describe('a failed attempt', () => {
  const temporary = (code: number) => new HoldfastClientError(code, 'x', { temporary: true })
  const until = (code: number, attempt: number, random: number) => {
    const verdict = afterFailure(temporary(code), attempt, { now: 1_000, random })
    return verdict.kind === 'repeat' && verdict.phase.kind === 'backing_off'
      ? verdict.phase.until - 1_000
      : undefined
  }

  it('is repeated at once where the connection was lost: reconnecting is delay enough', () => {
    for (const code of [1, 2, 11]) expect(until(code, 3, 0.9)).toBe(0)
  })

  it('is repeated later and later where the server is in trouble, spread by chance, at most after five seconds', () => {
    expect([1, 2, 3, 4].map(attempt => until(100, attempt, 0.5))).toEqual([50, 100, 200, 400])
    expect(until(100, 60, 1)).toBe(5_000)
    expect(until(111, 2, 0)).toBe(0)
    // A write that fails at once would otherwise spin.
    expect(until(10, 1, 1)).toBe(100)
  })

  it('ends where repeating cannot help', () => {
    const error = new HoldfastClientError(103, 'permission denied')
    expect(afterFailure(error, 1, { now: 0, random: 0 })).toEqual({ kind: 'refused', error })
  })
})
