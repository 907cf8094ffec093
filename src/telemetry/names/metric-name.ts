export interface MetricName {
  /** As OpenTelemetry has it: words with dots. */
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  /** By UCUM. */
  readonly unit: string
  /** Never a channel, a user or a schedule of an application’s making: their number has no bound. */
  readonly labels: readonly string[]
  readonly description: string
}

/** As Prometheus has it: underscores, `_total` behind a counter. A histogram has `_bucket`, `_count` and `_sum` behind it. */
export function prometheusName({ name, type }: MetricName): string {
  const words = name.replace(/[^a-z0-9_]/gi, '_')
  return type === 'counter' ? `${words}_total` : words
}
