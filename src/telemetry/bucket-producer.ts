import { type Attributes, type HrTime, ValueType } from '@opentelemetry/api'
import {
  AggregationTemporality,
  DataPointType,
  type HistogramMetricData,
  type MetricProducer,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics'
import type { Buckets } from './buckets.ts'
import type { MetricName } from './names.ts'

/** One histogram with its labels. */
export interface BucketReading {
  readonly buckets: Buckets
  readonly attributes?: Attributes
}

export interface BucketSource {
  readonly metric: MetricName
  /** What has never recorded anything is among them, with zeros: a rate begins at its first value. */
  readonly read: () => readonly BucketReading[]
}

/** Readers put their provider's in its place. */
const nobodys = {} as ResourceMetrics['resource']

/** Hands bucket arrays to a reader as the histograms that they are; every reader needs one of its own. */
export class BucketProducer implements MetricProducer {
  readonly #sources: readonly BucketSource[]
  readonly #onError: (error: unknown) => void
  readonly #startTime = hrTimeOf(performance.timeOrigin)

  /** `sources` may grow. */
  constructor(sources: readonly BucketSource[], onError: (error: unknown) => void) {
    this.#sources = sources
    this.#onError = onError
  }

  async collect() {
    const endTime = hrTimeOf(Date.now())
    const metrics: HistogramMetricData[] = []
    for (const source of this.#sources) {
      try {
        metrics.push(this.#dataOf(source, endTime))
      } catch (error) {
        this.#onError(error)
      }
    }
    const scopeMetrics = [{ scope: { name: 'holdfast' }, metrics }]
    return { resourceMetrics: { resource: nobodys, scopeMetrics }, errors: [] }
  }

  #dataOf({ metric, read }: BucketSource, endTime: HrTime): HistogramMetricData {
    const { name, unit, description } = metric
    return {
      descriptor: { name, unit, description, valueType: ValueType.DOUBLE },
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
      dataPointType: DataPointType.HISTOGRAM,
      dataPoints: read().map(({ attributes = {}, buckets: { bounds, counts, sum, count } }) => ({
        startTime: this.#startTime,
        endTime,
        attributes,
        value: { buckets: { boundaries: [...bounds], counts: [...counts] }, sum, count },
      })),
    }
  }
}

function hrTimeOf(ms: number): HrTime {
  return [Math.floor(ms / 1_000), Math.round((ms % 1_000) * 1e6)]
}
