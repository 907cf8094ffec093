export type { BucketReading } from './bucket-producer.ts'
export { Buckets, latencyBounds, sizeBounds } from './buckets.ts'
export { createMetrics, type Metrics, type Reading } from './gauges.ts'
export { type MetricName, metrics, prometheusName } from './names.ts'
