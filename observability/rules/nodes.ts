import type { Alert, Group } from './rule.ts'
import type { Time } from './time.ts'

/** Nodes and workers themselves. */
export function nodeAlerts(time: Time): Group<Alert> {
  return {
    name: 'holdfast-nodes',
    rules: [
      {
        alert: 'HoldfastAbsent',
        severity: 'page',
        expr: 'absent(holdfast_info)',
        for: time.span('2m'),
        summary: 'No node of Holdfast is heard of',
        description: 'Prometheus gets no metrics of any: all are down, or nothing is scraped.',
      },
      {
        alert: 'HoldfastNodeDown',
        severity: 'ticket',
        expr: 'up{job="holdfast"} == 0',
        for: time.span('1m'),
        summary: '{{ $labels.instance }} does not answer',
        description: 'It is down, stands still, or cannot be reached from Prometheus.',
      },
      {
        alert: 'HoldfastNodeRestarts',
        severity: 'ticket',
        expr: `sum by (instance) (resets(holdfast_process_uptime[${time.span('30m')}])) >= 3`,
        summary: '{{ $labels.instance }} restarts again and again',
        description: '{{ $value | humanize }} times in 30 minutes.',
      },
      {
        alert: 'HoldfastClockWrong',
        severity: 'ticket',
        // The time of the sample is that of Prometheus' machine.
        expr: 'abs(holdfast_process_clock - timestamp(holdfast_process_clock)) > 10',
        for: time.span('2m'),
        summary: 'The clock of {{ $labels.instance }} is wrong',
        description: 'It differs by {{ $value | humanizeDuration }} from that of Prometheus.',
      },
      {
        alert: 'HoldfastEventLoopLags',
        severity: 'ticket',
        expr: 'max by (instance) (holdfast_event_loop_lag_seconds) > 0.2',
        for: time.span('2m'),
        summary: '{{ $labels.instance }} has too much to do',
        description: 'What arrives waits {{ $value | humanizeDuration }} for its turn.',
      },
      {
        alert: 'HoldfastSheds',
        severity: 'page',
        expr: 'max by (instance, reason) (holdfast_shedding) == 1',
        for: time.span('1m'),
        summary: '{{ $labels.instance }} refuses new connections',
        description: 'Because of its {{ $labels.reason }}.',
      },
      {
        alert: 'HoldfastMemory',
        severity: 'ticket',
        expr: 'max by (instance) (holdfast_memory_use) > 0.85',
        for: time.span('5m'),
        summary: '{{ $labels.instance }} is short of memory',
        description: '{{ $value | humanizePercentage }} of what it may have is used.',
      },
      {
        alert: 'HoldfastVersionsDiffer',
        severity: 'ticket',
        expr: 'count(count by (version) (holdfast_info)) > 1',
        for: time.span('1h'),
        summary: 'Nodes of different releases run side by side',
        description: '{{ $value | humanize }} releases for longer than a deployment takes.',
      },
      {
        alert: 'HoldfastForeignMessages',
        severity: 'ticket',
        expr: `sum by (kind) (increase(holdfast_bus_foreign_total[${time.span('15m')}])) > 0`,
        summary: 'Nodes do not understand each other',
        description: '{{ $value | humanize }} messages of kind {{ $labels.kind }} in 15 minutes.',
      },
      {
        alert: 'HoldfastFlooded',
        severity: 'ticket',
        expr: `sum by (limit) (rate(holdfast_limited_total[${time.span('5m')}])) > 10`,
        for: time.span('5m'),
        summary: 'Somebody meets the limit {{ $labels.limit }} all the time',
        description: '{{ $value | humanize }} refusals per second.',
      },
      {
        alert: 'HoldfastKeysNotFetched',
        severity: 'ticket',
        expr: `sum by (instance) (increase(holdfast_jwks_fetches_total{outcome="failed"}[${time.span('30m')}])) > 0 unless sum by (instance) (increase(holdfast_jwks_fetches_total{outcome="succeeded"}[${time.span('30m')}])) > 0`,
        for: time.span('10m'),
        summary: '{{ $labels.instance }} cannot fetch the keys for tokens',
        description: 'Those it has go on being used; a new one is not known.',
      },
      {
        alert: 'HoldfastCertificateExpires',
        severity: 'ticket',
        expr: 'min by (dependency) (holdfast_certificate_expiry) < 14 * 86400',
        summary: 'The certificate of {{ $labels.dependency }} expires',
        description: 'In {{ $value | humanizeDuration }}.',
      },
    ],
  }
}
