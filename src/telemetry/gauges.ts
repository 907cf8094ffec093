import type { Attributes, MetricOptions, Observable } from '@opentelemetry/api'
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { type IMetricReader, MeterProvider, type MetricProducer } from '@opentelemetry/sdk-metrics'
import { BucketProducer, type BucketReading, type BucketSource } from './bucket-producer.ts'
import type { MetricName } from './names.ts'
import { type SharedReadingOptions, sharedReading } from './shared-reading.ts'

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
  /** The same for what only ever grows, from the process' beginning on. */
  counters(names: readonly MetricName[], read: () => Promise<readonly Reading[]>): void
  /**
   * The same for both where a dependency has to be asked: one reading for all who ask within some seconds, and nobody waits
   * long for it.
   */
  shared(
    names: readonly MetricName[],
    read: () => Promise<readonly Reading[]>,
    options?: Partial<SharedReadingOptions>,
  ): void
  /** Histograms, whose buckets are read when somebody asks. */
  histogram(metric: MetricName, read: () => readonly BucketReading[]): void
  /** All metrics in the Prometheus text format. */
  readonly prometheus: PrometheusExporter
  close(): Promise<void>
}

/** @param more makes further readers, which hand on `producers` beside what the provider has */
export function createMetrics(
  onError: (error: unknown) => void,
  more: (producers: () => MetricProducer[]) => readonly IMetricReader[] = () => [],
): Metrics {
  const sources: BucketSource[] = []
  const metricProducers = () => [new BucketProducer(sources, onError)]
  const prometheus = new PrometheusExporter({
    preventServerStart: true,
    withoutScopeInfo: true,
    metricProducers: metricProducers(),
  })
  const provider = new MeterProvider({ readers: [prometheus, ...more(metricProducers)] })
  const meter = provider.getMeter('holdfast')
  const observables = new Map<string, Observable>()

  function observe(names: readonly MetricName[], read: () => Promise<readonly Reading[]>): void {
    for (const { name, type, unit, description } of names) {
      const options: MetricOptions = { unit, description }
      const create = () =>
        type === 'counter'
          ? meter.createObservableCounter(name, options)
          : meter.createObservableGauge(name, options)
      if (!observables.has(name)) observables.set(name, create())
    }
    meter.addBatchObservableCallback(
      async result => {
        try {
          for (const { metric, value, attributes } of await read()) {
            const observable = observables.get(metric.name)
            if (observable) result.observe(observable, value, attributes)
          }
        } catch (error) {
          onError(error)
        }
      },
      names.flatMap(({ name }) => observables.get(name) ?? []),
    )
  }

  return {
    prometheus,
    gauges: observe,
    counters: observe,
    shared: (names, read, options) => observe(names, sharedReading(read, options)),
    histogram: (metric, read) => void sources.push({ metric, read }),
    close: () => provider.shutdown(),
  }
}
