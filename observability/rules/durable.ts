import type { Alert, Group } from './rule.ts'
import type { Time } from './time.ts'

/** The ledger, its mirror, and what works behind it. */
export function durableAlerts(time: Time): Group<Alert> {
  return { name: 'holdfast-durable', rules: [...ledger(time), ...behindTheLog(time)] }
}

function ledger(time: Time): Alert[] {
  return [
    {
      alert: 'HoldfastLedgerUnavailable',
      severity: 'page',
      expr: 'max by (instance, state) (holdfast_ledger_state{state=~"unreachable|read_only"}) == 1',
      for: time.span('1m'),
      summary: '{{ $labels.instance }} can record no events',
      description:
        'The ledger is {{ $labels.state }}. Appends get a temporary error, and clients repeat them.',
    },
    {
      alert: 'HoldfastLedgerWentBack',
      severity: 'page',
      expr: 'max(holdfast_ledger_state{state="behind_mirror"}) == 1',
      summary: 'The ledger lacks events that it had',
      description:
        'A restore, or a standby that lagged was promoted. Nothing is recorded until somebody decides.',
    },
    {
      alert: 'HoldfastNewEpoch',
      severity: 'ticket',
      expr: `sum(increase(holdfast_ledger_epochs_total[${time.span('15m')}])) > 0`,
      summary: 'The ledger has a new epoch',
      description: 'All durable subscriptions have begun anew.',
    },
    {
      alert: 'HoldfastMirrorLags',
      severity: 'ticket',
      expr: `min(holdfast_mirror_lag_age) > ${time.seconds(30)}`,
      for: time.span('1m'),
      summary: 'Redis lacks events of the ledger',
      description: 'For {{ $value | humanizeDuration }}. They are delivered from the ledger meanwhile.',
    },
    {
      alert: 'HoldfastToldOfLosses',
      severity: 'ticket',
      expr: `sum by (tier, reason) (rate(holdfast_recoveries_total{outcome="told",reason!="too_many"}[${time.span('15m')}])) / ignoring (reason) group_left () (sum by (tier) (rate(holdfast_recoveries_total[${time.span('15m')}])) > 0) > 0.02`,
      for: time.span('5m'),
      summary:
        'Clients of the {{ $labels.tier }} tier are told that they missed something ({{ $labels.reason }})',
      description: '{{ $value | humanizePercentage }} of those who came back.',
    },
  ]
}

function behindTheLog(time: Time): Alert[] {
  return [
    {
      alert: 'HoldfastGroupLags',
      severity: 'page',
      expr: `max by (group) (holdfast_group_lag_age) > ${time.seconds(120)}`,
      for: time.span('2m'),
      summary: 'The group {{ $labels.group }} is behind',
      description: 'Its oldest event is {{ $value | humanizeDuration }} old.',
    },
    {
      alert: 'HoldfastHandlersFail',
      severity: 'ticket',
      expr: `sum by (group) (rate(holdfast_group_attempts_total{outcome!="done"}[${time.span('5m')}])) / (sum by (group) (rate(holdfast_group_attempts_total[${time.span('5m')}])) > 0) > 0.1`,
      for: time.span('5m'),
      summary: 'Handlers of the group {{ $labels.group }} fail',
      description: '{{ $value | humanizePercentage }} of their attempts.',
    },
    {
      alert: 'HoldfastProjectionLags',
      severity: 'page',
      expr: `max by (projection) (holdfast_projection_lag_age{state="active"}) > ${time.seconds(120)}`,
      for: time.span('2m'),
      summary: 'Readers of {{ $labels.projection }} see an old state',
      description: 'It is {{ $value | humanizeDuration }} behind the ledger.',
    },
    {
      alert: 'HoldfastRebuildStandsStill',
      severity: 'ticket',
      expr: `max by (projection) (delta(holdfast_projection_progress{state="building"}[${time.span('30m')}])) == 0 and max by (projection) (holdfast_projection_progress{state="building"}) < 1`,
      for: time.span('30m'),
      summary: 'The rebuild of {{ $labels.projection }} stands still',
      description: 'Its progress has not changed for half an hour.',
    },
    {
      alert: 'HoldfastParked',
      severity: 'ticket',
      expr: 'max by (consumer) (holdfast_deliveries{state="parked"}) > 0',
      for: time.span('5m'),
      summary: '{{ $labels.consumer }} has given up on events',
      description: '{{ $value | humanize }} deliveries are parked and wait for somebody.',
    },
    {
      alert: 'HoldfastJobsOverdue',
      severity: 'page',
      expr: `max by (rule) (holdfast_job_overdue) > ${time.seconds(120)}`,
      for: time.span('2m'),
      summary: 'Jobs of the rule {{ $labels.rule }} are not done',
      description: 'One has been due for {{ $value | humanizeDuration }}.',
    },
    {
      alert: 'HoldfastOutboxWaits',
      severity: 'page',
      expr: `max(holdfast_outbox_age) > ${time.seconds(60)}`,
      for: time.span('1m'),
      summary: 'Events that applications have committed are not recorded',
      description: 'The oldest has been in the outbox for {{ $value | humanizeDuration }}.',
    },
    {
      alert: 'HoldfastOutboxRefused',
      severity: 'ticket',
      expr: 'max(holdfast_outbox_refused) > 0',
      for: time.span('5m'),
      summary: 'The ledger cannot take rows of the outbox',
      description: '{{ $value | humanize }} of them.',
    },
  ]
}
