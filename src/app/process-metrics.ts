import { performance } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import { GcPauses, type Metrics, metrics } from '../telemetry/index.ts'

/** Which process this is, and what it takes of its machine. Returns what ends the watching. */
export function registerProcessMetrics(
  telemetry: Metrics,
  { version, node }: { readonly version: string; readonly node: string },
): () => void {
  const { info, uptime, cpuTime, processMemory, gcDuration, eventLoopUtilization } = metrics
  const attributes = { version, node, nodejs: process.versions.node }
  let utilization = performance.eventLoopUtilization()
  telemetry.gauges([info, uptime, processMemory, eventLoopUtilization], async () => {
    const { rss, heapUsed, external } = process.memoryUsage()
    const memory = {
      rss,
      heap_used: heapUsed,
      heap_limit: getHeapStatistics().heap_size_limit,
      external,
    }
    const before = utilization
    utilization = performance.eventLoopUtilization()
    return [
      { metric: info, value: 1, attributes },
      { metric: uptime, value: process.uptime() },
      ...Object.entries(memory).map(([kind, value]) => ({
        metric: processMemory,
        value,
        attributes: { kind },
      })),
      {
        metric: eventLoopUtilization,
        value: performance.eventLoopUtilization(utilization, before).utilization,
      },
    ]
  })
  telemetry.counters([cpuTime], async () => {
    const { user, system } = process.cpuUsage()
    return Object.entries({ user, system }).map(([mode, microseconds]) => ({
      metric: cpuTime,
      value: microseconds / 1e6,
      attributes: { mode },
    }))
  })
  const pauses = new GcPauses()
  pauses.start()
  telemetry.histogram(gcDuration, () =>
    [...pauses.byKind].map(([kind, buckets]) => ({ buckets, attributes: { kind } })),
  )
  return () => pauses.close()
}
