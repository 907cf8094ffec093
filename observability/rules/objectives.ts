import type { Alert, Group, Recording } from './rule.ts'
import type { Span, Time } from './time.ts'

/** What we promise ourselves, and how it is counted. The budget is the share that may go wrong over thirty days. */
export interface Objective {
  readonly name: 'publish' | 'delivery' | 'latency'
  readonly alert: Alert['alert']
  readonly budget: number
  /** The share that went wrong in a window, by tier. */
  errors(window: string): string
  readonly goal: string
}

/** Bounds of the histogram's buckets: what is slower than that counts as late. */
export const lateAfter = { realtime: '0.25', durable: '2.5' }

export const objectives: readonly Objective[] = [
  {
    name: 'publish',
    alert: 'HoldfastPublishBudgetBurns',
    budget: 0.001,
    goal: '99.9 % of publications that are refused neither for a reason of the asker’s nor because a namespace is read-only are accepted',
    errors: window =>
      `sum by (tier) (rate(holdfast_publications_total{outcome="unavailable"}[${window}])) / (sum by (tier) (rate(holdfast_publications_total{outcome!~"refused|read_only"}[${window}])) > 0)`,
  },
  {
    name: 'delivery',
    alert: 'HoldfastDeliveryBudgetBurns',
    budget: 0.001,
    goal: '99.9 % of the live messages that were expected, and whose client has stayed, are written to their sockets',
    errors: undelivered,
  },
  {
    name: 'latency',
    alert: 'HoldfastLatencyBudgetBurns',
    budget: 0.01,
    goal: `99 % of live messages are written within ${lateAfter.realtime} s (realtime) or ${lateAfter.durable} s (durable) of their acceptance`,
    errors: window =>
      Object.entries(lateAfter)
        .map(([tier, le]) => late(tier, le, window))
        .join(' or '),
  },
]

/**
 * What was neither written nor dropped because its client had gone counts too: a fault of ours would be there. What is on its
 * way at both ends of a window is the same on average.
 */
export function undelivered(window: string): string {
  const of = (metric: string, labels = '') =>
    `sum by (tier) (rate(holdfast_delivery_${metric}_total${labels}[${window}]))`
  const gone = `(${of('dropped', '{path="live",reason!="slow"}')} or 0 * ${of('expected')})`
  const stayed = `(${of('expected')} - ${gone})`
  return `clamp_min(${stayed} - ${of('written', '{path="live"}')}, 0) / (${stayed} > 0)`
}

function late(tier: string, le: string, window: string): string {
  const which = `tier="${tier}",stage="end_to_end"`
  const inTime = `sum by (tier) (rate(holdfast_delivery_latency_bucket{${which},le="${le}"}[${window}]))`
  return `(1 - ${inTime} / (sum by (tier) (rate(holdfast_delivery_latency_count{${which}}[${window}])) > 0))`
}

/** A budget of thirty days is gone in two days at 14.4 times its rate, in five at 6, and in thirty at 1 (the SRE workbook’s windows). */
const burns: readonly { factor: number; long: Span; short: Span; severity: Alert['severity']; for: Span }[] =
  [
    { factor: 14.4, long: '1h', short: '5m', severity: 'page', for: '2m' },
    { factor: 6, long: '6h', short: '30m', severity: 'page', for: '15m' },
    { factor: 1, long: '3d', short: '6h', severity: 'ticket', for: '1h' },
  ]

export const windows: readonly Span[] = [...new Set(burns.flatMap(({ long, short }) => [short, long]))]

/** Where a ratio over a window is recorded; the name says the window that is meant, however fast time passes. */
export const errorRatio = (name: Objective['name'], window: Span): string =>
  `holdfast:${name}_errors:ratio_rate${window}`

export function objectiveRecordings(time: Time): Group<Recording> {
  return {
    name: 'holdfast-objectives',
    rules: objectives.flatMap(({ name, errors }) =>
      windows.map(window => ({ record: errorRatio(name, window), expr: errors(time.span(window)) })),
    ),
  }
}

export function objectiveAlerts(time: Time): Group<Alert> {
  return {
    name: 'holdfast-budgets',
    rules: objectives.flatMap(({ name, alert, budget, goal }) =>
      burns.map((burn): Alert => {
        const most = `${burn.factor} * ${budget}`
        return {
          alert,
          severity: burn.severity,
          expr: `${errorRatio(name, burn.long)} > ${most} and ${errorRatio(name, burn.short)} > ${most}`,
          for: time.span(burn.for),
          labels: { long: burn.long, short: burn.short },
          summary: `The {{ $labels.tier }} tier uses up its ${name} budget ${burn.factor} times too fast`,
          description: `{{ $value | humanizePercentage }} went wrong over ${burn.long}, and as much over ${burn.short}. The objective: ${goal}.`,
        }
      }),
    ),
  }
}
