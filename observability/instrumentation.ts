// Starts OpenTelemetry before everything else: `holdfast serve` loads it by itself, an application of yours by
// `node --import holdfast/instrumentation app.js`. Where no variable of OpenTelemetry says where to send spans
// (OTEL_EXPORTER_OTLP_ENDPOINT, or …_TRACES_ENDPOINT), it loads nothing and does nothing.
import { otlpWanted } from '../src/telemetry/otlp-wanted.ts'

if (otlpWanted(process.env, 'TRACES')) {
  const { startTraces } = await import('../src/telemetry/start-traces.ts')
  startTraces(process.env)
}
