import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { type IMetricReader, MeterProvider, type MetricProducer } from '@opentelemetry/sdk-metrics'
import type { MetricName } from './names.ts'
import { type BucketReading, type Reading, ReadingProducer, type Source } from './producer.ts'
import { telemetryResource } from './resource.ts'
import { type SharedReadingOptions, sharedReading } from './shared-reading.ts'

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
  /** Histograms, whose buckets are read when somebody asks. What has recorded nothing yet is among them, with zeros. */
  histogram(metric: MetricName, read: () => readonly Omit<BucketReading, 'metric'>[]): void
  /** All metrics in the Prometheus text format. */
  readonly prometheus: PrometheusExporter
  close(): Promise<void>
}

/** A collector that is away keeps no node from stopping. */
const closeMs = 1_500

/** @param more makes further readers, each of which hands on producers of its own beside what the provider has */
export function createMetrics(
  onError: (error: unknown) => void,
  more: (producers: () => MetricProducer[]) => readonly IMetricReader[] = () => [],
): Metrics {
  const sources: Source[] = []
  const metricProducers = () => [new ReadingProducer(sources, onError)]
  const prometheus = new PrometheusExporter({
    preventServerStart: true,
    withoutScopeInfo: true,
    metricProducers: metricProducers(),
  })
  const provider = new MeterProvider({
    resource: telemetryResource(),
    readers: [prometheus, ...more(metricProducers)],
  })

  /** What a reading has no right to is a mistake of ours, and shown by the tests of every reading. */
  function add(names: readonly MetricName[], read: () => Promise<readonly Reading[]>): void {
    sources.push(async () => {
      const readings = await read()
      const foreign = readings.find(({ metric }) => !names.includes(metric))
      if (foreign) throw new Error(`${foreign.metric.name} was read, and not announced`)
      return readings
    })
  }

  return {
    prometheus,
    gauges: add,
    counters: add,
    shared: (names, read, options) => add(names, sharedReading(read, options)),
    histogram: (metric, read) => void sources.push(async () => read().map(each => ({ ...each, metric }))),
    close: () => provider.shutdown({ timeoutMillis: closeMs }).catch(() => undefined),
  }
}
