import type { DurableStatus, OpenTier } from '../durable/index.ts'
import { type Metrics, metrics } from '../telemetry/index.ts'

const ledgerStates: readonly DurableStatus['ledger'][] = [
  'ready',
  'unreachable',
  'read_only',
  'behind_mirror',
]
const mirrorStates: readonly DurableStatus['mirror'][] = ['ready', 'healing', 'unreachable']

/** How ledger and mirror are, as the readiness says it. */
export function registerDurableMetrics(telemetry: Metrics, tier: OpenTier): void {
  const { ledgerState, mirrorState, ledgerEpochs } = metrics
  telemetry.gauges([ledgerState, mirrorState], async () => {
    const { ledger, mirror } = tier.status()
    const reading = (metric: typeof ledgerState | typeof mirrorState, state: string, present: string) => ({
      metric,
      value: state === present ? 1 : 0,
      attributes: { state },
    })
    return [
      ...ledgerStates.map(state => reading(ledgerState, state, ledger)),
      ...mirrorStates.map(state => reading(mirrorState, state, mirror)),
    ]
  })
  const { appendBatchSize, appendCommitDuration, appendWaiting } = metrics
  const { appends, mirror } = tier.meter
  telemetry.histogram(appendBatchSize, () => [{ buckets: appends.batchSize }])
  telemetry.histogram(appendCommitDuration, () => [
    { buckets: appends.committed, attributes: { outcome: 'committed' } },
    { buckets: appends.failed, attributes: { outcome: 'failed' } },
  ])
  telemetry.gauges([appendWaiting], async () => [{ metric: appendWaiting, value: appends.waitingBytes }])
  const { mirrorLag, mirrorLagSeconds, mirrorRepairs, mirrorFilled } = metrics
  telemetry.gauges([mirrorLag, mirrorLagSeconds], async () => {
    const { lag } = mirror
    if (!lag) return []
    return [
      { metric: mirrorLag, value: lag.events },
      { metric: mirrorLagSeconds, value: lag.seconds },
    ]
  })
  telemetry.counters([mirrorRepairs, mirrorFilled], async () => [
    ...Object.entries(mirror.repairs).map(([outcome, value]) => ({
      metric: mirrorRepairs,
      value,
      attributes: { outcome },
    })),
    { metric: mirrorFilled, value: mirror.filled },
  ])
  let epochs = 0
  tier.log.ledger.onEpoch(() => epochs++)
  telemetry.counters([ledgerEpochs], async () => [{ metric: ledgerEpochs, value: epochs }])
}
