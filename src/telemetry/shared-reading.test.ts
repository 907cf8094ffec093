import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { sharedReading } from './shared-reading.ts'

beforeEach(
  () => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'setImmediate'] }),
)
afterEach(() => void vi.useRealTimers())

it('asks once for all who come within some seconds, then again', async () => {
  let asked = 0
  const read = sharedReading(async () => ++asked)
  expect(await Promise.all([read(), read()])).toEqual([1, 1])
  expect(await read()).toBe(1)
  vi.advanceTimersByTime(5_001)
  expect(await read()).toBe(2)
})

it('leaves alone for a moment what has failed, then asks again', async () => {
  let asked = 0
  const read = sharedReading(async () => {
    if (++asked === 1) throw new Error('not now')
    return asked
  })
  await expect(read()).rejects.toThrow('not now')
  await expect(read()).rejects.toThrow('not now')
  expect(asked).toBe(1)
  vi.advanceTimersByTime(2_001)
  expect(await read()).toBe(2)
})

it('waits for what hangs no longer than a second, once, and hands on what comes of it later', async () => {
  const answer = Promise.withResolvers<string>()
  let asked = 0
  const read = sharedReading(
    () => {
      asked++
      return answer.promise
    },
    { waitMs: 200 },
  )
  vi.useRealTimers()
  await expect(read()).rejects.toThrow('no answer for 200 ms')
  const told = read().catch(() => 'at once')
  expect(await Promise.race([told, delay(100, 'late')])).toBe('at once')
  answer.resolve('late')
  await answer.promise
  expect(await read()).toBe('late')
  expect(asked).toBe(1)
})

it('goes on with the last values where each reading takes longer than anybody waits, until they are too old', async () => {
  const answers: PromiseWithResolvers<number>[] = []
  const read = sharedReading(
    () => {
      const answer = Promise.withResolvers<number>()
      answers.push(answer)
      return answer.promise
    },
    { waitMs: 10, sharedMs: 0, staleMs: 60 },
  )
  vi.useRealTimers()
  const first = read()
  answers[0]?.resolve(1)
  expect(await first).toBe(1)
  expect(await read()).toBe(1)
  await vi.waitFor(async () => await expect(read()).rejects.toThrow('no answer'), { timeout: 2_000 })
})
