import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Guard } from './guard.ts'
import type { GuardOptions } from './guard-options.ts'

const never = () => new Promise<never>(() => undefined)
let probe = vi.fn(() => Promise.resolve())
let states: string[] = []
let guard: Guard

function make(options: Partial<GuardOptions> = {}): Guard {
  states = []
  probe = vi.fn(() => Promise.resolve())
  guard = new Guard({
    name: 'the thing',
    deadlineMs: 1_000,
    maxFailures: 3,
    restMs: { first: 100, most: 400 },
    probe: () => probe(),
    onChange: state => states.push(state),
    ...options,
  })
  return guard
}

beforeEach(() => {
  vi.useFakeTimers()
  make()
})
afterEach(() => {
  guard.close()
  vi.useRealTimers()
})

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'ok',
    (error: { code: string }) => error.code,
  )

describe('a guard', () => {
  it('lets calls through and hands on what they return', async () => {
    expect(await guard.run(async () => 7)).toBe(7)
    expect(guard.state).toBe('passing')
  })

  it('rejects after one unanswered call, without starting the next', async () => {
    const call = codeOf(guard.run(never))
    await vi.advanceTimersByTimeAsync(1_001)
    expect(await call).toBe('DEPENDENCY_TIMEOUT')
    const started = vi.fn(never)
    expect(await codeOf(guard.run(started))).toBe('DEPENDENCY_REJECTED')
    expect(started).not.toHaveBeenCalled()
  })

  it('takes an answer that lies ready when the deadline passes in a long turn', async () => {
    vi.useRealTimers()
    make({ deadlineMs: 20 })
    const answer = guard.run(
      () => new Promise(resolve => setTimeout(() => setImmediate(resolve, 'answer'), 1)),
    )
    const end = performance.now() + 60
    while (performance.now() < end) {
      // A busy turn: both timers are due when it ends.
    }
    expect(await answer).toBe('answer')
  })

  it('rejects after failures in a row, not after as many with a success between', async () => {
    const fail = () => codeOf(guard.run(() => Promise.reject(new Error('no'))))
    expect([await fail(), await fail()]).toEqual(['DEPENDENCY_FAILED', 'DEPENDENCY_FAILED'])
    await guard.run(async () => 1)
    await fail()
    await fail()
    expect(guard.state).toBe('passing')
    await fail()
    expect(guard.state).toBe('rejecting')
  })

  it('does not blame the dependency for a request that was wrong', async () => {
    make({ blames: error => !(error instanceof TypeError) })
    for (let i = 0; i < 10; i++) await codeOf(guard.run(() => Promise.reject(new TypeError('wrong'))))
    expect(guard.state).toBe('passing')
  })

  it('finds out by itself that the dependency is back', async () => {
    guard.trip('told so')
    await vi.advanceTimersByTimeAsync(200)
    expect(states).toEqual(['rejecting', 'probing', 'passing'])
    expect(await guard.run(async () => 1)).toBe(1)
  })

  it('refuses calls while it probes, and rests longer after each vain probe, up to a limit', async () => {
    guard.trip('told so')
    probe.mockImplementation(never)
    const gaps: number[] = []
    let since = Date.now()
    for (let i = 0; i < 6; i++) {
      while (guard.state !== 'probing') await vi.advanceTimersByTimeAsync(5)
      gaps.push(Date.now() - since)
      expect(await codeOf(guard.run(async () => 1))).toBe('DEPENDENCY_REJECTED')
      while (guard.state === 'probing') await vi.advanceTimersByTimeAsync(5)
      since = Date.now()
    }
    for (const [i, gap] of gaps.entries()) {
      const rest = Math.min(100 * 2 ** i, 400)
      expect(gap).toBeGreaterThanOrEqual(rest * 0.5 - 5)
      expect(gap).toBeLessThanOrEqual(rest * 1.5 + 10)
    }
    expect(probe).toHaveBeenCalledTimes(6)
  })

  it('probes at once where there is a reason to hope', async () => {
    guard.trip('told so')
    guard.probeSoon()
    await vi.advanceTimersByTimeAsync(0)
    expect(guard.state).toBe('passing')
    guard.probeSoon()
    expect(probe).toHaveBeenCalledTimes(1)
  })

  it('probes at once when a late answer shows that the dependency was only slow', async () => {
    let answer: (value: number) => void = () => undefined
    make({ restMs: { first: 60_000, most: 60_000 } })
    const call = codeOf(guard.run(() => new Promise(resolve => (answer = resolve))))
    await vi.advanceTimersByTimeAsync(1_001)
    expect(await call).toBe('DEPENDENCY_TIMEOUT')
    expect(guard.state).toBe('rejecting')
    answer(1)
    await vi.advanceTimersByTimeAsync(0)
    expect(states).toEqual(['rejecting', 'probing', 'passing'])
  })

  it('does not take a late failure for a sign of life, but a late refusal of a wrong request', async () => {
    make({ restMs: { first: 60_000, most: 60_000 }, blames: error => !(error instanceof TypeError) })
    const fails: ((error: Error) => void)[] = []
    const calls = [0, 1].map(() => codeOf(guard.run(() => new Promise((_, fail) => fails.push(fail)))))
    await vi.advanceTimersByTimeAsync(1_001)
    await Promise.all(calls)
    fails[0]?.(new Error('the connection is gone'))
    await vi.advanceTimersByTimeAsync(0)
    expect(guard.state).toBe('rejecting')
    fails[1]?.(new TypeError('wrong'))
    await vi.advanceTimersByTimeAsync(0)
    expect(guard.state).toBe('passing')
  })

  it('stays rejecting when it is tripped again while a probe succeeds', async () => {
    let answer: () => void = () => undefined
    probe.mockImplementation(() => new Promise(resolve => (answer = resolve)))
    guard.trip('once')
    guard.probeSoon()
    guard.trip('again')
    answer()
    await vi.advanceTimersByTimeAsync(0)
    expect(guard.state).toBe('rejecting')
  })
})
