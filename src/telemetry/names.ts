import { logMetrics } from './names/behind-the-log.ts'
import { connectionMetrics } from './names/connections.ts'
import { consoleMetrics } from './names/console.ts'
import { deliveryMetrics } from './names/delivery.ts'
import { dependencyMetrics } from './names/dependencies.ts'
import { ledgerMetrics } from './names/ledger.ts'
import { nodeMetrics } from './names/nodes.ts'
import { probeMetrics } from './names/probes.ts'
import { processMetrics } from './names/process.ts'

export { type MetricName, prometheusName } from './names/metric-name.ts'

/** Every metric that Holdfast has. `docs/TELEMETRY.md` says the same, in the same order; a test compares. */
export const metrics = {
  ...connectionMetrics,
  ...deliveryMetrics,
  ...nodeMetrics,
  ...ledgerMetrics,
  ...logMetrics,
  ...probeMetrics,
  ...consoleMetrics,
  ...dependencyMetrics,
  ...processMetrics,
} as const
