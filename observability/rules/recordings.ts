import { undelivered } from './objectives.ts'
import type { Group, Recording } from './rule.ts'
import type { Time } from './time.ts'

/** What dashboards ask for often and over long times. */
export function rateRecordings(time: Time): Group<Recording> {
  const window = time.span('5m')
  const rate = (metric: string) => `rate(${metric}[${window}])`
  const quantile = (q: number, by: string, metric: string) =>
    `histogram_quantile(${q}, sum by (${by}, le) (${rate(`${metric}_bucket`)}))`
  return {
    name: 'holdfast-rates',
    rules: [
      {
        record: 'holdfast:publications:rate5m',
        expr: `sum by (tier, outcome) (${rate('holdfast_publications_total')})`,
      },
      {
        record: 'holdfast:delivery_written:rate5m',
        expr: `sum by (tier, path) (${rate('holdfast_delivery_written_total')})`,
      },
      {
        record: 'holdfast:delivery:ratio_rate5m',
        expr: `1 - ${undelivered(window)}`,
      },
      {
        record: 'holdfast:delivery_latency:p99_5m',
        expr: quantile(0.99, 'tier, stage', 'holdfast_delivery_latency'),
      },
      {
        record: 'holdfast:publish_duration:p99_5m',
        expr: quantile(0.99, 'tier', 'holdfast_publish_duration'),
      },
      {
        record: 'holdfast:append_commit_duration:p99_5m',
        expr: `histogram_quantile(0.99, sum by (le) (${rate('holdfast_append_commit_duration_bucket{outcome="committed"}')}))`,
      },
      { record: 'holdfast:connects:rate5m', expr: `sum(${rate('holdfast_connects_total')})` },
      {
        record: 'holdfast:disconnects:rate5m',
        expr: `sum by (code) (${rate('holdfast_disconnects_total')})`,
      },
    ],
  }
}
