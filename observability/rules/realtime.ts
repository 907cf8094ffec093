import type { Alert, Group } from './rule.ts'
import type { Time } from './time.ts'

/** Connections, and the tier that may lose. */
export function realtimeAlerts(time: Time): Group<Alert> {
  const connected = '(sum(holdfast_connections{state="connected"}) > 0)'
  return {
    name: 'holdfast-realtime',
    rules: [
      {
        alert: 'HoldfastLocalOnly',
        severity: 'page',
        expr: 'min by (instance) (holdfast_bus_connected) == 0',
        for: time.span('1m'),
        summary: '{{ $labels.instance }} delivers signals to its own clients only',
        description: 'It does not hear the other nodes, nor they it.',
      },
      {
        alert: 'HoldfastSignalsDropped',
        severity: 'ticket',
        expr: `sum by (reason) (rate(holdfast_bus_dropped_total[${time.span('5m')}])) > 1`,
        for: time.span('2m'),
        summary: 'Signals between nodes are lost ({{ $labels.reason }})',
        description: '{{ $value | humanize }} per second.',
      },
      {
        alert: 'HoldfastNoNumbers',
        severity: 'ticket',
        expr: 'min by (instance) (holdfast_realtime_numbering) == 0',
        for: time.span('2m'),
        summary: 'Signals with a history go out without numbers on {{ $labels.instance }}',
        description: 'Their subscribers are told that something may be missing, and recover.',
      },
      {
        alert: 'HoldfastBusDeaf',
        severity: 'ticket',
        expr: `sum by (bus, instance) (increase(holdfast_bus_deaf_total[${time.span('15m')}])) > ${time.count(3)}`,
        summary: '{{ $labels.instance }} loses its subscriptions at Redis again and again',
        description: '{{ $value | humanize }} times in 15 minutes ({{ $labels.bus }}).',
      },
      {
        alert: 'HoldfastResubscribes',
        severity: 'ticket',
        expr: `sum by (bus) (increase(holdfast_bus_resubscribed_total[${time.span('15m')}])) > 0`,
        summary: 'Connections to Redis that listen were lost ({{ $labels.bus }})',
        description: '{{ $value | humanize }} channels were subscribed again in 15 minutes.',
      },
      {
        alert: 'HoldfastClientsVanish',
        severity: 'ticket',
        expr: `sum(rate(holdfast_disconnects_total{code="3012"}[${time.span('5m')}])) / ${connected} > 0.001`,
        summary: 'Many clients are gone without a word',
        description: '{{ $value | humanizePercentage }} of all connections per second do not answer pings.',
      },
      {
        alert: 'HoldfastReconnectStorm',
        severity: 'page',
        expr: returning(time),
        summary: 'Clients come back in masses',
        description: '{{ $value | humanize }} connects per second, over five times what is usual.',
      },
      {
        alert: 'HoldfastSlowConsumers',
        severity: 'ticket',
        expr: `sum(rate(holdfast_slow_consumers_total[${time.span('5m')}])) / ${connected} > 0.001`,
        summary: 'Many clients are cut because they read too slowly',
        description: '{{ $value | humanizePercentage }} of all connections per second.',
      },
      {
        alert: 'HoldfastResyncs',
        severity: 'ticket',
        expr: `sum by (tier) (rate(holdfast_resyncs_total[${time.span('5m')}])) > 0.001 * scalar(${connected})`,
        summary: 'Subscriptions of the {{ $labels.tier }} tier begin anew in masses',
        description: '{{ $value | humanize }} per second.',
      },
    ],
  }
}

/**
 * Many, or few where there are few: within two minutes as many as half of all who are connected. A meeting that begins does that
 * too, so those do not count who make the number of connections larger than it was; and where nobody was an hour ago, nothing is usual.
 */
function returning(time: Time): string {
  const connects = 'holdfast_connects_total'
  const connected = 'sum(holdfast_connections{state="connected"}'
  const now = `sum(rate(${connects}[${time.span('2m')}]))`
  const usual = `sum(rate(${connects}[${time.span('1h')}] offset ${time.span('5m')}))`
  const few = [
    `${now} > 0.5`,
    `sum(increase(${connects}[${time.span('2m')}])) > 0.5 * ${connected})`,
    `${connected}) < 1.25 * ${connected} offset ${time.span('10m')})`,
    `count(${connects} offset ${time.span('1h')}) > 0`,
  ]
  return `(${now} > 20 or (${few.join(' and ')})) and ${now} > 5 * ${usual}`
}
