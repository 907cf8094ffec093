import { afterEach, expect, test, vi } from 'vitest'
import { Appender } from './appender.ts'
import { systemClock } from './clock.ts'
import { clientError } from './errors.ts'

afterEach(() => vi.useRealTimers())

test('an append is repeated in time although the machine’s clock is set back meanwhile', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  let attempts = 0
  const appender = new Appender({
    clock: systemClock,
    connected: () => true,
    onSilence: () => undefined,
    window: 1,
    maxInFlight: 1,
    maxPending: 10,
    async send({ id }) {
      attempts++
      if (attempts > 1) return { offset: 1, epoch: 'e', id, time: 1, duplicate: false }
      setTimeout(() => vi.setSystemTime(Date.now() - 3_600_000), 0)
      throw clientError({ code: 100, message: 'internal server error', temporary: true })
    },
  })
  const done = await appender.append({ channel: 'order:1', type: 'Paid', data: {}, id: 'a' })
  expect([done.offset, attempts]).toEqual([1, 2])
})
