import { type Metrics, metrics } from '../telemetry/index.ts'
import type { ConsoleGate } from './console-gate.ts'

/** What operators have switched, and who tries to be one. */
export function registerConsoleMetrics(
  telemetry: Metrics,
  { access, switches }: Pick<ConsoleGate, 'access' | 'switches'>,
  namespaces: readonly string[],
): void {
  const { readOnlyNamespaces, consoleDenied } = metrics
  telemetry.gauges([readOnlyNamespaces], async () =>
    [...new Set([...namespaces, ...switches.readOnly.keys()])].map(namespace => ({
      metric: readOnlyNamespaces,
      value: switches.readOnly.has(namespace) ? 1 : 0,
      attributes: { namespace },
    })),
  )
  telemetry.counters([consoleDenied], async () => [{ metric: consoleDenied, value: access.denied }])
}
