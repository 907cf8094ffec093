import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { KnownKeys } from './known-keys.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

it('remembers a key of one channel for its time', () => {
  const keys = new KnownKeys(1_000)
  expect(keys.has('a', '1')).toBe(false)
  keys.add('a', '1')
  expect([keys.has('a', '1'), keys.has('b', '1'), keys.has('a', '2')]).toEqual([true, false, false])
  vi.advanceTimersByTime(999)
  expect(keys.has('a', '1')).toBe(true)
  vi.advanceTimersByTime(1)
  expect(keys.has('a', '1')).toBe(false)
})

it('forgets the oldest above its bound', () => {
  const keys = new KnownKeys(1_000)
  for (let i = 0; i < 10_001; i++) keys.add('a', `${i}`)
  expect([keys.has('a', '0'), keys.has('a', '1'), keys.has('a', '10000')]).toEqual([false, true, true])
})
