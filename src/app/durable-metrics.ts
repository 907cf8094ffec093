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
  let epochs = 0
  tier.log.ledger.onEpoch(() => epochs++)
  telemetry.counters([ledgerEpochs], async () => [{ metric: ledgerEpochs, value: epochs }])
}
