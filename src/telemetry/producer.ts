import { type Attributes, type HrTime, ValueType } from '@opentelemetry/api'
import {
  AggregationTemporality,
  type CollectionResult,
  type DataPoint,
  DataPointType,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics'
import type { Buckets } from './buckets.ts'
import type { MetricName } from './names.ts'

/** One reading of a gauge or a counter. */
export interface Reading {
  readonly metric: MetricName
  readonly value: number
  readonly attributes?: Attributes
}

/** One histogram with its labels. */
export interface BucketReading {
  readonly metric: MetricName
  readonly buckets: Buckets
  readonly attributes?: Attributes
}

/** What is read together, when somebody asks. Where it fails, it is left out this time. */
export type Source = () => Promise<readonly (Reading | BucketReading)[]>

/** Readers put their provider's in its place. */
const nobodys = {} as CollectionResult['resourceMetrics']['resource']

/**
 * Hands readings to a reader as they are at the moment. The SDK's own observable instruments go on telling the last value of
 * what nobody observes any more (a dependency that is away, a policy that was changed), which would be a lie; and its
 * histograms cost each record a look-up. Every reader needs a producer of its own.
 */
export class ReadingProducer implements MetricProducer {
  readonly #sources: readonly Source[]
  readonly #onError: (error: unknown) => void
  readonly #startTime = hrTimeOf(performance.timeOrigin)

  /** @param sources may grow */
  constructor(sources: readonly Source[], onError: (error: unknown) => void) {
    this.#sources = sources
    this.#onError = onError
  }

  async collect(): Promise<CollectionResult> {
    const read = await Promise.all(this.#sources.map(source => this.#readAll(source)))
    const endTime = hrTimeOf(Date.now())
    const byMetric = new Map<MetricName, (Reading | BucketReading)[]>()
    for (const reading of read.flat()) {
      const others = byMetric.get(reading.metric)
      if (others) others.push(reading)
      else byMetric.set(reading.metric, [reading])
    }
    const metrics = [...byMetric].map(([metric, readings]) => this.#dataOf(metric, readings, endTime))
    const scopeMetrics = [{ scope: { name: 'holdfast' }, metrics }]
    return { resourceMetrics: { resource: nobodys, scopeMetrics }, errors: [] }
  }

  async #readAll(source: Source): Promise<readonly (Reading | BucketReading)[]> {
    try {
      return await source()
    } catch (error) {
      this.#onError(error)
      return []
    }
  }

  #dataOf(metric: MetricName, readings: readonly (Reading | BucketReading)[], endTime: HrTime): MetricData {
    const { name, type, unit, description } = metric
    const about = {
      descriptor: { name, unit, description, valueType: ValueType.DOUBLE },
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
    }
    const pointsOf = <T>(values: readonly { attributes: Attributes; value: T }[]): DataPoint<T>[] =>
      values.map(each => ({ ...each, startTime: this.#startTime, endTime }))
    if (type === 'histogram')
      return {
        ...about,
        dataPointType: DataPointType.HISTOGRAM,
        dataPoints: pointsOf(readings.filter(isBuckets).map(histogramOf)),
      }
    const dataPoints = pointsOf(
      readings.flatMap(reading =>
        isBuckets(reading) ? [] : [{ attributes: reading.attributes ?? {}, value: reading.value }],
      ),
    )
    if (type === 'gauge') return { ...about, dataPointType: DataPointType.GAUGE, dataPoints }
    return { ...about, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints }
  }
}

function isBuckets(reading: Reading | BucketReading): reading is BucketReading {
  return 'buckets' in reading
}

function histogramOf({ attributes = {}, buckets: { bounds, counts, sum, count } }: BucketReading) {
  return {
    attributes,
    value: { buckets: { boundaries: [...bounds], counts: [...counts] }, sum, count },
  }
}

function hrTimeOf(ms: number): HrTime {
  return [Math.floor(ms / 1_000), Math.round((ms % 1_000) * 1e6)]
}
