import type { Attributes } from '@opentelemetry/api'
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import type { MetricName } from './names.ts'

/** One reading of a gauge. */
export interface Reading {
  readonly metric: MetricName
  readonly value: number
  readonly attributes?: Attributes
}

export interface Metrics {
  /**
   * Gauges whose values are read together, when somebody asks for the metrics. A reading that fails leaves them out this
   * time: a missing value says that nobody knows, an old one would lie.
   */
  gauges(names: readonly MetricName[], read: () => Promise<readonly Reading[]>): void
  /** All metrics in the Prometheus text format. */
  readonly prometheus: PrometheusExporter
  close(): Promise<void>
}

export function createMetrics(onError: (error: unknown) => void): Metrics {
  const prometheus = new PrometheusExporter({ preventServerStart: true, withoutScopeInfo: true })
  const provider = new MeterProvider({ readers: [prometheus] })
  const meter = provider.getMeter('holdfast')
  return {
    prometheus,
    gauges(names, read) {
      const observables = new Map(
        names.map(({ name, unit, description }) => [
          name,
          meter.createObservableGauge(name, { unit, description }),
        ]),
      )
      meter.addBatchObservableCallback(
        async result => {
          try {
            for (const { metric, value, attributes } of await read()) {
              const gauge = observables.get(metric.name)
              if (gauge) result.observe(gauge, value, attributes)
            }
          } catch (error) {
            onError(error)
          }
        },
        [...observables.values()],
      )
    },
    close: () => provider.shutdown(),
  }
}
