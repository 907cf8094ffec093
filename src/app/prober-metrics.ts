import { type Metrics, metrics, type Reading } from '../telemetry/index.ts'
import type { Canaries } from './prober.ts'

/** What canaries see and the auditor finds, of this process. */
export function registerProberMetrics(telemetry: Metrics, canaries: Canaries): void {
  if (!canaries.enabled) return
  const { tallies, tally } = canaries
  const { probes, probeFailures, probeAge, probeListeners } = metrics
  const { auditLost, auditMismatches, auditChecked, auditAge } = metrics
  telemetry.counters([probes, probeFailures, auditMismatches, auditChecked], async () => [
    ...[...tallies.totals()].flatMap(({ subject, outcomes, failures }): Reading[] => [
      ...Object.entries(outcomes).map(([outcome, value]) => ({
        metric: probes,
        value,
        attributes: { ...labels(subject), outcome },
      })),
      ...[...failures].map(([reason, value]) => ({
        metric: probeFailures,
        value,
        attributes: { ...labels(subject), reason },
      })),
    ]),
    ...[...tally.mismatchCounts].map(([kind, value]) => ({
      metric: auditMismatches,
      value,
      attributes: { kind },
    })),
    ...[...tally.checkedCounts].map(([what, value]) => ({
      metric: auditChecked,
      value,
      attributes: { what },
    })),
  ])
  telemetry.histogram(metrics.probeLatency, () =>
    [...tallies.totals()].map(({ subject, latency }) => ({ buckets: latency, attributes: labels(subject) })),
  )
  telemetry.gauges([metrics.certificateExpiry], async () => {
    const value = canaries.certificateSeconds
    const attributes = { dependency: 'listener' }
    return value === undefined ? [] : [{ metric: metrics.certificateExpiry, value, attributes }]
  })
  telemetry.gauges([probeAge, probeListeners, auditLost, auditAge], async () => [
    // A worker has none, nor a node that stops: there nobody is missing.
    ...(canaries.probing ? [{ metric: probeListeners, value: canaries.status?.listeners ?? 0 }] : []),
    ...[...tallies.totals()].flatMap((line): Reading[] => {
      const age = tallies.age(line)
      return age === undefined ? [] : [{ metric: probeAge, value: age, attributes: labels(line.subject) }]
    }),
    { metric: auditLost, value: tally.lostByCanary, attributes: { found: 'canary' } },
    // Only who audits knows; that nobody does, the age's absence says.
    ...(tally.leading
      ? [{ metric: auditLost, value: tally.lostInLedger, attributes: { found: 'ledger' } }]
      : []),
    ...(['recent', 'whole'] as const).flatMap((scope): Reading[] => {
      const age = tally.age(scope)
      return age === undefined ? [] : [{ metric: auditAge, value: age, attributes: { scope } }]
    }),
  ])
}

function labels({ tier, path }: { tier: string | undefined; path: string }): Record<string, string> {
  return tier === undefined ? { path } : { tier, path }
}
