/** `5m`, `30s`, `3d`: as PromQL writes it. */
export type Span = `${number}${'s' | 'm' | 'h' | 'd'}`

/** How rules write time. The same rules can be made to run faster, so that a fault of seconds shows what one of minutes would. */
export interface Time {
  /** How often Prometheus scrapes and evaluates. */
  readonly interval: string
  /** A range, or the `for` of an alert. */
  span(span: Span): string
  /** A number of seconds that a metric in seconds is compared with. */
  seconds(seconds: number): number
  /** The number of something per `span` that is too much, where less of it can happen in a shorter one. */
  count(count: number): number
}

export const usualTime: Time = {
  interval: '15s',
  span: span => span,
  seconds: seconds => seconds,
  count: count => count,
}

const unitSeconds = { s: 1, m: 60, h: 3_600, d: 86_400 }

/**
 * Time that passes `factor` times as fast: `1h` becomes a minute with 60. No range is shorter than `leastRange` seconds, in which
 * there have to be two scrapes at least, and no threshold in seconds smaller than `leastSeconds`, which faults of some seconds
 * reach, and readings that are shared for five do not by themselves.
 */
export function fasterTime(options: {
  factor: number
  intervalSeconds: number
  leastRange: number
  leastSeconds: number
  leastCount: number
}): Time {
  const { factor, intervalSeconds, leastRange, leastSeconds, leastCount } = options
  return {
    interval: `${intervalSeconds}s`,
    span: span => `${Math.round(Math.max(leastRange, secondsOf(span) / factor) * 1_000)}ms`,
    seconds: seconds => Math.max(leastSeconds, seconds / factor),
    count: count => Math.max(leastCount, Math.floor(count / factor)),
  }
}

function secondsOf(span: Span): number {
  const unit = span.at(-1) as keyof typeof unitSeconds
  return Number(span.slice(0, -1)) * unitSeconds[unit]
}
