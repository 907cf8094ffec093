import { setTimeout as delay } from 'node:timers/promises'
import { expect, it, onTestFinished, vi } from 'vitest'
import { createMetrics } from '../telemetry/index.ts'
import { registerProcessMetrics } from './process-metrics.ts'

it('tells the same use of the event loop to everybody, of whole windows', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const telemetry = createMetrics(() => undefined)
  const close = registerProcessMetrics(telemetry, { version: '1', node: 'a' })
  const use = async () => {
    const { resourceMetrics } = await telemetry.prometheus.collect()
    const all = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics)
    return all.find(({ descriptor }) => descriptor.name === 'holdfast.event_loop.utilization')?.dataPoints[0]
      ?.value
  }
  const first = await use()
  expect(first).toBeGreaterThan(0)
  expect([await use(), await use()]).toEqual([first, first])
  // So that the loop is idle for a while, in this window and perhaps not before it.
  await delay(20)
  vi.advanceTimersByTime(5_000)
  const second = await use()
  expect(second).not.toBe(first)
  expect(await use()).toBe(second)
  close()
  vi.advanceTimersByTime(5_000)
  expect(await use()).toBe(second)
  await telemetry.close()
})
