import { NodeSDK } from '@opentelemetry/sdk-node'
import { complainOfSending } from './complaints.ts'
import { telemetryResource } from './resource.ts'
import { TraceSampler } from './trace-sampler.ts'

/**
 * Registers OpenTelemetry's SDK, which sends spans by OTLP as the standard variables say (OTEL_EXPORTER_OTLP_…, OTEL_BSP_…).
 * Metrics have a way of their own, and logs go to standard output.
 */
export function startTraces(env: Readonly<Record<string, string | undefined>>): void {
  complainOfSending(env)
  const sdk = new NodeSDK({
    resource: telemetryResource(),
    autoDetectResources: false,
    sampler: new TraceSampler(env),
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [],
  })
  sdk.start()
  // A node has flushed before it exits; an application may end without having closed one.
  process.once('beforeExit', () => void sdk.shutdown().catch(() => undefined))
}
