import { isCanaryChannel } from '../domain/index.ts'
import type { Cursors, OpenTier } from '../durable/index.ts'
import { type PublicationCounts, publicationOutcomes, type SocketServer } from '../gateway/index.ts'
import { type Deliveries, Lane, losses } from '../hub/index.ts'
import type { RealtimeTier } from '../realtime/index.ts'
import { type Metrics, metrics, type Reading } from '../telemetry/index.ts'

const tiers = ['realtime', 'durable'] as const

/** The ways of a message: replay is of the durable tier, and nobody expects it. */
const ways = [
  { lane: Lane.realtime, tier: 'realtime', path: 'live' },
  { lane: Lane.durable, tier: 'durable', path: 'live' },
  { lane: Lane.replay, tier: 'durable', path: 'replay' },
] as const

/** What has come, what has become of it, and how long that took. */
export function registerDeliveryMetrics(
  telemetry: Metrics,
  parts: {
    sockets: SocketServer
    publications: PublicationCounts
    realtime: RealtimeTier
    durable: OpenTier | undefined
    cursors: Cursors | undefined
  },
): void {
  const { sockets, publications, realtime, durable, cursors } = parts
  const { publications: published, publishDuration, deliveryLatency } = metrics
  telemetry.counters([published], async () =>
    tiers.flatMap(tier =>
      publicationOutcomes.map(outcome => ({
        metric: published,
        value: publications[tier].outcomes[outcome],
        attributes: { tier, outcome },
      })),
    ),
  )
  telemetry.histogram(publishDuration, () =>
    tiers.map(tier => ({ buckets: publications[tier].duration, attributes: { tier } })),
  )
  const { deliveryExpected, deliveryWritten, deliveryDropped } = metrics
  telemetry.counters([deliveryExpected, deliveryWritten, deliveryDropped], async () =>
    deliveryReadings(sockets.deliveries),
  )
  telemetry.histogram(deliveryLatency, () => [
    ...stagesOf(sockets.deliveries),
    { buckets: realtime.counts.busLatency, attributes: { tier: 'realtime', stage: 'bus' } },
    ...(durable
      ? [
          { buckets: durable.meter.appends.stored, attributes: { tier: 'durable', stage: 'commit' } },
          { buckets: durable.meter.mirror.latency, attributes: { tier: 'durable', stage: 'mirror' } },
        ]
      : []),
  ])
  registerSubscriptionMetrics(telemetry, sockets, { realtime, durable })
  if (!cursors) return
  const { acknowledged } = metrics
  telemetry.counters([acknowledged], async () => [{ metric: acknowledged, value: cursors.acknowledged }])
}

function deliveryReadings({ expected, written, lost }: Deliveries): readonly Reading[] {
  const { deliveryExpected, deliveryWritten, deliveryDropped } = metrics
  return ways.flatMap(({ lane, tier, path }) => [
    ...(path === 'live'
      ? [{ metric: deliveryExpected, value: expected[lane] ?? 0, attributes: { tier } }]
      : []),
    { metric: deliveryWritten, value: written[lane] ?? 0, attributes: { tier, path } },
    ...losses.map(reason => ({
      metric: deliveryDropped,
      value: lost[reason][lane] ?? 0,
      attributes: { tier, path, reason },
    })),
  ])
}

function stagesOf({ fanOut, endToEnd }: Deliveries) {
  const stages = { fan_out: fanOut, end_to_end: endToEnd }
  return Object.entries(stages).flatMap(([stage, byLane]) =>
    byLane.map(({ lane, buckets }) => ({
      buckets,
      attributes: { tier: lane === Lane.realtime ? 'realtime' : 'durable', stage },
    })),
  )
}

function registerSubscriptionMetrics(
  telemetry: Metrics,
  { counts }: SocketServer,
  open: { realtime: RealtimeTier; durable: OpenTier | undefined },
): void {
  const { subscriptions, channels, recoveries, recovered, resyncs } = metrics
  // Walks over all channels of the node.
  telemetry.shared([subscriptions, channels], async () =>
    tiers.flatMap(tier => {
      const sizes = open[tier]?.channels()
      if (!sizes) return []
      let sum = 0
      let count = 0
      for (const [channel, size] of sizes) {
        if (isCanaryChannel(channel)) continue
        sum += size
        count++
      }
      return [
        { metric: subscriptions, value: sum, attributes: { tier } },
        { metric: channels, value: count, attributes: { tier } },
      ]
    }),
  )
  telemetry.counters([recoveries, recovered, resyncs], async () => [
    ...[...counts.subscriptions.recoveries()].map(({ count, ...attributes }) => ({
      metric: recoveries,
      value: count,
      attributes,
    })),
    ...tiers.flatMap(tier => [
      { metric: recovered, value: counts.subscriptions.recovered[tier], attributes: { tier } },
      { metric: resyncs, value: counts.subscriptions.resyncs[tier], attributes: { tier } },
    ]),
  ])
}
