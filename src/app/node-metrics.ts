import { type LoadWatch, loadReasons } from '../gateway/index.ts'
import { busKinds, type ForeignMessages } from '../platform/index.ts'
import { type Metrics, metrics } from '../telemetry/index.ts'

/** How this process itself fares, and whether it understands the others. */
export function registerNodeMetrics(
  telemetry: Metrics,
  { foreign, load }: { foreign: ForeignMessages; load: LoadWatch },
): void {
  const { clock, eventLoopLag, memoryUse, shed, shedding, busForeign } = metrics
  telemetry.gauges([clock, eventLoopLag, memoryUse, shedding], async () => [
    { metric: clock, value: Date.now() / 1_000 },
    { metric: eventLoopLag, value: load.lagMs / 1_000 },
    { metric: memoryUse, value: load.memory },
    ...loadReasons.map(reason => ({
      metric: shedding,
      value: load.busy.includes(reason) ? 1 : 0,
      attributes: { reason },
    })),
  ])
  telemetry.counters([shed, busForeign], async () => [
    ...loadReasons.map(reason => ({ metric: shed, value: load.shed(reason), attributes: { reason } })),
    ...busKinds.map(kind => ({ metric: busForeign, value: foreign.count(kind), attributes: { kind } })),
  ])
}
