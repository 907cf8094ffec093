import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { sharedReading } from './shared-reading.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

it('asks once for all who come within some seconds, then again', async () => {
  let asked = 0
  const read = sharedReading(async () => ++asked)
  expect(await Promise.all([read(), read()])).toEqual([1, 1])
  expect(await read()).toBe(1)
  vi.advanceTimersByTime(5_001)
  expect(await read()).toBe(2)
})

it('asks again after a failure', async () => {
  let asked = 0
  const read = sharedReading(async () => {
    if (++asked === 1) throw new Error('not now')
    return asked
  })
  await expect(read()).rejects.toThrow('not now')
  expect(await read()).toBe(2)
})
