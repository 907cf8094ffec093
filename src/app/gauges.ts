import { type Metrics, metrics, type Reading } from '../telemetry/index.ts'
import { registerProjectionMetrics } from './projection-metrics.ts'
import type { Work } from './work.ts'

/** What of the operators' questions has a number goes out as gauges, asked for when somebody reads the metrics. */
export function registerGauges(telemetry: Metrics, { operations, groups, jobs, projections }: Work): void {
  registerProjectionMetrics(telemetry, projections)
  const { cursors, cursorLag, groupLag, groupLagSeconds, deliveries } = metrics
  const { outboxWaiting, outboxAge, outboxRefused } = metrics
  telemetry.shared([cursors, cursorLag], async () =>
    (await operations.cursors.lags()).flatMap(({ namespace, cursor, count, maxLag }): Reading[] => {
      const attributes = { namespace, cursor }
      return [
        { metric: cursors, value: count, attributes },
        { metric: cursorLag, value: maxLag, attributes },
      ]
    }),
  )
  telemetry.shared([groupLag, groupLagSeconds, deliveries], async () =>
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
  telemetry.shared([metrics.jobOverdue, deliveries], async () =>
    (await operations.jobs.counts()).rules.flatMap(({ rule, queued, parked, overdueSeconds }): Reading[] => {
      const consumer = `rule/${rule}`
      return [
        { metric: metrics.jobOverdue, value: overdueSeconds, attributes: { rule } },
        { metric: deliveries, value: queued, attributes: { consumer, state: 'queued' } },
        { metric: deliveries, value: parked, attributes: { consumer, state: 'parked' } },
      ]
    }),
  )
  telemetry.shared([metrics.deliveriesAge], async () =>
    (await operations.deliveries.ages()).map(({ consumer, state, seconds }) => ({
      metric: metrics.deliveriesAge,
      value: seconds,
      attributes: { consumer, state },
    })),
  )
  registerHandlerMetrics(telemetry, groups)
  telemetry.counters([metrics.groupSuppressed, metrics.jobAttempts], async () => {
    const status = jobs.status()
    return [
      ...groups.status().map(({ name, suppressed }) => ({
        metric: metrics.groupSuppressed,
        value: suppressed,
        attributes: { group: name },
      })),
      ...status.deliveries.map(({ name, outcome, count }) => ({
        metric: metrics.jobAttempts,
        value: count,
        attributes: { rule: name, outcome },
      })),
      ...status.schedules.map(({ name, outcome, count }) => ({
        metric: metrics.jobAttempts,
        value: count,
        attributes: { schedule: name, outcome },
      })),
    ]
  })
  telemetry.shared([outboxWaiting, outboxAge, outboxRefused], async () => {
    const { waiting, oldestSeconds, refused } = await operations.outbox.status()
    return [
      { metric: outboxWaiting, value: waiting },
      { metric: outboxAge, value: oldestSeconds },
      { metric: outboxRefused, value: refused },
    ]
  })
}

/** How the handlers of groups fare in this process. */
function registerHandlerMetrics(telemetry: Metrics, groups: Work['groups']): void {
  const { groupAttempts, groupDuration } = metrics
  telemetry.counters([groupAttempts], async () =>
    [...groups.meters()].flatMap(([group, { outcomes }]) =>
      Object.entries(outcomes).map(([outcome, value]) => ({
        metric: groupAttempts,
        value,
        attributes: { group, outcome },
      })),
    ),
  )
  telemetry.histogram(groupDuration, () =>
    [...groups.meters()].map(([group, { duration }]) => ({ buckets: duration, attributes: { group } })),
  )
}
