export { createMetrics, type Metrics, type Reading } from './gauges.ts'
export { type MetricName, metrics, prometheusName } from './names.ts'
