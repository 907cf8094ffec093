import type { Operations } from '../durable/index.ts'
import { type Metrics, metrics, type Reading } from '../telemetry/index.ts'

const { cursors, cursorLag, groupLag, groupLagSeconds, deliveries, outboxWaiting, outboxAge, outboxRefused } =
  metrics

/** What of the operators' questions has a number goes out as gauges, asked for when somebody reads the metrics. */
export function registerGauges(telemetry: Metrics, operations: Operations): void {
  telemetry.gauges([cursors, cursorLag], async () =>
    (await operations.cursors.lags()).flatMap(({ namespace, cursor, count, maxLag }): Reading[] => {
      const attributes = { namespace, cursor }
      return [
        { metric: cursors, value: count, attributes },
        { metric: cursorLag, value: maxLag, attributes },
      ]
    }),
  )
  telemetry.gauges([groupLag, groupLagSeconds, deliveries], async () =>
    (await operations.groups.lags()).flatMap(({ name, lag, open }): Reading[] => [
      { metric: groupLag, value: lag.events, attributes: { group: name } },
      { metric: groupLagSeconds, value: lag.seconds, attributes: { group: name } },
      ...Object.entries(open).map(([state, value]) => ({
        metric: deliveries,
        value,
        attributes: { consumer: `group/${name}`, state },
      })),
    ]),
  )
  telemetry.gauges([outboxWaiting, outboxAge, outboxRefused], async () => {
    const { waiting, oldestSeconds, refused } = await operations.outbox.status()
    return [
      { metric: outboxWaiting, value: waiting },
      { metric: outboxAge, value: oldestSeconds },
      { metric: outboxRefused, value: refused },
    ]
  })
}
