import {
  type IMetricReader,
  type MetricProducer,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from '@opentelemetry/sdk-metrics'
import { complainOfSending } from './complaints.ts'
import { otlpWanted } from './otlp-wanted.ts'

type Environment = Readonly<Record<string, string | undefined>>

const defaultMs = { interval: 60_000, timeout: 30_000 }

/** Makes what sends metrics, those of the producers included. */
export type ReadersOf = (producers: () => MetricProducer[]) => readonly IMetricReader[]

/** Sends metrics by OTLP where OpenTelemetry's standard variables ask for it; else undefined, and nothing of it is loaded. */
export async function otlpReaders(env: Environment): Promise<ReadersOf | undefined> {
  if (!otlpWanted(env, 'METRICS')) return undefined
  complainOfSending(env)
  const exportIntervalMillis = milliseconds(env['OTEL_METRIC_EXPORT_INTERVAL']) ?? defaultMs.interval
  const timeout = milliseconds(env['OTEL_METRIC_EXPORT_TIMEOUT']) ?? defaultMs.timeout
  const exporter = await exporterFor(
    env['OTEL_EXPORTER_OTLP_METRICS_PROTOCOL'] || env['OTEL_EXPORTER_OTLP_PROTOCOL'],
  )
  const exportTimeoutMillis = Math.min(timeout, exportIntervalMillis)
  const options = { exporter, exportIntervalMillis, exportTimeoutMillis }
  return producers => [new PeriodicExportingMetricReader({ ...options, metricProducers: producers() })]
}

async function exporterFor(protocol: string | undefined): Promise<PushMetricExporter> {
  switch (protocol?.trim()) {
    case 'grpc':
      return new (await import('@opentelemetry/exporter-metrics-otlp-grpc')).OTLPMetricExporter()
    case 'http/json':
      return new (await import('@opentelemetry/exporter-metrics-otlp-http')).OTLPMetricExporter()
    default:
      return new (await import('@opentelemetry/exporter-metrics-otlp-proto')).OTLPMetricExporter()
  }
}

function milliseconds(text: string | undefined): number | undefined {
  const value = Number(text || Number.NaN)
  return value > 0 ? value : undefined
}
