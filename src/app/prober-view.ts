import type { NodeReadings } from '../console/index.ts'
import type { ProberStatus } from '../prober/index.ts'

type ConsoleProbe = ReturnType<NodeReadings['probes']>[number]

/** What canaries and the auditor have found, as the console tells it. */
export function proberView(status: () => ProberStatus | undefined): Pick<NodeReadings, 'probes' | 'audit'> {
  return {
    probes: () =>
      (status()?.probes ?? []).flatMap(
        ({ tier, path, latencyMs, succeededAt, reason, ...counts }): ConsoleProbe[] =>
          tier === undefined
            ? []
            : [
                {
                  ...counts,
                  tier,
                  path,
                  latencyMs: latencyMs ?? null,
                  at: succeededAt ?? null,
                  reason: reason ?? null,
                },
              ],
      ),
    audit: () => {
      const audit = status()?.audit
      if (!audit) return null
      const { lost, checked, mismatches, completedAt = null, leading } = audit
      return { lost, checked, mismatches, completedAt, running: leading }
    },
  }
}

/** How many probes have failed since the process began. */
export function probeFailures(totals: Iterable<{ readonly outcomes: { readonly failed: number } }>): number {
  return [...totals].reduce((sum, { outcomes }) => sum + outcomes.failed, 0)
}
