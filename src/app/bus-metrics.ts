import type { LogAccess } from '../durable/index.ts'
import type { Cluster } from '../gateway/index.ts'
import type { RealtimeTier } from '../realtime/index.ts'
import { type Metrics, metrics, type Reading } from '../telemetry/index.ts'

/** Whether this node hears the others, and what was lost where it did not. */
export function registerBusMetrics(
  telemetry: Metrics,
  parts: { realtime: RealtimeTier; log: LogAccess | undefined; cluster: Pick<Cluster, 'others'> },
): void {
  const { realtime, log, cluster } = parts
  const { busConnected, busNodes, busDropped, busDeaf, busResubscribed, numbering, unnumbered } = metrics
  telemetry.gauges([busConnected, busNodes, numbering], async () => [
    { metric: busConnected, value: realtime.connected ? 1 : 0 },
    { metric: busNodes, value: 1 + (realtime.connected ? cluster.others().length : 0) },
    { metric: numbering, value: realtime.numbering ? 1 : 0 },
  ])
  telemetry.counters([busDropped, busDeaf, busResubscribed, unnumbered], async () => {
    const { counts } = realtime
    const loops = { realtime: counts.loop, ...(log?.redis && { log: log.redis.loopBack }) }
    return [
      ...Object.entries(counts.dropped).map(
        ([reason, value]): Reading => ({ metric: busDropped, value, attributes: { reason } }),
      ),
      ...Object.entries(loops).flatMap(([bus, { losses, resubscribed }]): Reading[] => [
        { metric: busDeaf, value: losses, attributes: { bus } },
        { metric: busResubscribed, value: resubscribed, attributes: { bus } },
      ]),
      { metric: unnumbered, value: counts.unnumbered },
    ]
  })
}
