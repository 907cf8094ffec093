import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { spread } from './spread.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** When each was acted on, in milliseconds from the beginning. */
function timesOf(count: number, windowMs: number) {
  const start = performance.now()
  const times: number[] = []
  const items = Array.from({ length: count }, (_, i) => i)
  const ended = spread(items, { spreadMs: windowMs, limitMs: windowMs * 2 }, item => {
    expect(item).toBe(times.length)
    times.push(performance.now() - start)
  })
  return { times, ended }
}

function most(times: readonly number[], withinMs: number): number {
  return Math.max(...times.map(at => times.filter(each => each >= at && each < at + withinMs).length))
}

it('acts evenly over its window, on all and in their order', async () => {
  const { times, ended } = timesOf(1_000, 2_000)
  await vi.advanceTimersByTimeAsync(2_000)
  await ended
  expect(times).toHaveLength(1_000)
  expect(most(times, 100)).toBeLessThanOrEqual(60)
  expect(times.at(-1)).toBeGreaterThan(1_900)
})

it('spreads what a late turn has missed over the rest, and beyond the window rather than in one step', async () => {
  const { times, ended } = timesOf(1_000, 2_000)
  await vi.advanceTimersByTimeAsync(600)
  const before = times.length
  // The loop stands still for 700 ms: no timer of it fires meanwhile.
  const real = performance.now.bind(performance)
  vi.spyOn(performance, 'now').mockImplementation(() => real() + 700)
  await vi.advanceTimersByTimeAsync(20)
  expect(times.length - before).toBeLessThan(25)
  // And once more, to the end of the window.
  vi.spyOn(performance, 'now').mockImplementation(() => real() + 1_400)
  await vi.advanceTimersByTimeAsync(20)
  expect(times.length - before).toBeLessThan(60)
  await vi.advanceTimersByTimeAsync(700)
  await ended
  expect(times).toHaveLength(1_000)
  expect(most(times, 100)).toBeLessThanOrEqual(3 * 60)
})

it('does the rest at once when its time is over', async () => {
  const { times, ended } = timesOf(1_000, 2_000)
  await vi.advanceTimersByTimeAsync(100)
  const real = performance.now.bind(performance)
  vi.spyOn(performance, 'now').mockImplementation(() => real() + 4_000)
  await vi.advanceTimersByTimeAsync(20)
  await ended
  expect(times).toHaveLength(1_000)
})

it('acts on all at once where there is no window, and on none where there are none', async () => {
  const { times, ended } = timesOf(50, 0)
  await ended
  expect(times).toHaveLength(50)
  await spread([], { spreadMs: 1_000, limitMs: 2_000 }, () => expect.unreachable())
})
