import { performance } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import { GcPauses, type Metrics, metrics } from '../telemetry/index.ts'

/** Of the event loop's use. */
const windowMs = 5_000

/** Which process this is, and what it takes of its machine. Returns what ends the watching. */
export function registerProcessMetrics(
  telemetry: Metrics,
  { version, node }: { readonly version: string; readonly node: string },
): () => void {
  const { info, uptime, cpuTime, processMemory, gcDuration, eventLoopUtilization } = metrics
  const attributes = { version, node, nodejs: process.versions.node }
  const loop = new LoopUse()
  telemetry.gauges([info, uptime, processMemory, eventLoopUtilization], async () => {
    const { rss, heapUsed, external } = process.memoryUsage()
    const memory = {
      rss,
      heap_used: heapUsed,
      heap_limit: getHeapStatistics().heap_size_limit,
      external,
    }
    return [
      { metric: info, value: 1, attributes },
      { metric: uptime, value: process.uptime() },
      ...Object.entries(memory).map(([kind, value]) => ({
        metric: processMemory,
        value,
        attributes: { kind },
      })),
      { metric: eventLoopUtilization, value: loop.share },
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
  return () => {
    pauses.close()
    loop.close()
  }
}

/** Over whole windows, the same for everybody who asks: who asks often does not shorten them for the others. */
class LoopUse {
  /** Of the last whole window; until there is one, since the process began. */
  share = performance.eventLoopUtilization().utilization
  #begin = performance.eventLoopUtilization()
  readonly #timer = setInterval(() => this.#look(), windowMs)

  constructor() {
    this.#timer.unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const now = performance.eventLoopUtilization()
    this.share = performance.eventLoopUtilization(now, this.#begin).utilization
    this.#begin = now
  }
}
