import { expect, it } from 'vitest'
import { Buckets } from './buckets.ts'
import { createMetrics } from './gauges.ts'
import { metrics } from './names.ts'

function given() {
  const errors: unknown[] = []
  const telemetry = createMetrics(error => errors.push(error))
  const text = async () => {
    const { resourceMetrics } = await telemetry.prometheus.collect()
    const found = resourceMetrics.scopeMetrics.flatMap(scope => scope.metrics)
    return new Map(found.map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints]))
  }
  return { telemetry, errors, text }
}

it('tells no value of what is not read any more, and none of a reading that fails', async () => {
  const { telemetry, errors, text } = given()
  const policies = ['noeviction', 'allkeys-lru']
  telemetry.gauges([metrics.redisPolicy], async () => {
    const policy = policies.shift()
    if (policy === undefined) throw new Error('Redis is away')
    return [{ metric: metrics.redisPolicy, value: 1, attributes: { role: 'bus', policy } }]
  })
  telemetry.counters([metrics.connects], async () => [{ metric: metrics.connects, value: 7 }])
  const told = async () =>
    (await text()).get(metrics.redisPolicy.name)?.map(({ attributes }) => attributes['policy'])
  expect(await told()).toEqual(['noeviction'])
  expect(await told()).toEqual(['allkeys-lru'])
  expect(await told()).toBeUndefined()
  expect(errors).toHaveLength(1)
  expect((await text()).get(metrics.connects.name)).toMatchObject([{ value: 7 }])
})

it('joins what several read of one metric, and refuses what was not announced', async () => {
  const { telemetry, errors, text } = given()
  for (const dependency of ['postgres', 'redis/bus'])
    telemetry.gauges([metrics.certificateExpiry], async () => [
      { metric: metrics.certificateExpiry, value: 1, attributes: { dependency } },
    ])
  telemetry.gauges([metrics.uptime], async () => [{ metric: metrics.jwksAge, value: 1 }])
  const read = await text()
  expect(read.get(metrics.certificateExpiry.name)).toHaveLength(2)
  expect(read.has(metrics.jwksAge.name)).toBe(false)
  expect(errors).toMatchObject([{ message: 'holdfast.jwks.age was read, and not announced' }])
})

it('shows bucket arrays as histograms, each value in the first bucket that holds it', async () => {
  const { telemetry, text } = given()
  const buckets = new Buckets([0.001, 0.01])
  for (const value of [0.000_5, 0.001, 0.002, 5, -1, Number.NaN]) buckets.record(value)
  telemetry.histogram(metrics.publishDuration, () => [{ buckets, attributes: { tier: 'durable' } }])
  expect((await text()).get(metrics.publishDuration.name)).toMatchObject([
    {
      attributes: { tier: 'durable' },
      value: { count: 6, buckets: { boundaries: [0.001, 0.01], counts: [4, 1, 1] } },
    },
  ])
  expect(buckets.sum).toBeCloseTo(5.0035)
})
