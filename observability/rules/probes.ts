import type { Alert, Group } from './rule.ts'
import type { Time } from './time.ts'

/** What canaries and the auditor find out from outside. */
export function probeAlerts(time: Time): Group<Alert> {
  return {
    name: 'holdfast-probes',
    rules: [
      {
        alert: 'HoldfastAcknowledgedLost',
        severity: 'page',
        // It stays when the process that has found it restarts.
        expr: `sum(max_over_time(holdfast_audit_lost[${time.span('1h')}])) > 0`,
        summary: 'Events that were acknowledged are missing',
        description: '{{ $value | humanize }} were found missing. This must never happen.',
      },
      {
        alert: 'HoldfastAuditDiffers',
        severity: 'ticket',
        expr: `sum by (kind) (increase(holdfast_audit_mismatches_total[${time.span('30m')}])) > 0`,
        summary: 'Copies of events differ from the ledger ({{ $labels.kind }})',
        description: '{{ $value | humanize }} were found in 30 minutes. The ledger itself is whole.',
      },
      {
        alert: 'HoldfastAuditOld',
        severity: 'ticket',
        // Where there is no ledger, there is nothing to be audited.
        expr: `min(holdfast_audit_age{scope="recent"}) > ${time.seconds(900)} or (absent(holdfast_audit_age{scope="recent"}) and on () group(holdfast_ledger_state))`,
        for: time.span('15m'),
        summary: 'Nobody has looked for long whether events are there',
        description: 'The auditor runs nowhere, or does not come to an end.',
      },
      {
        alert: 'HoldfastAuditIncomplete',
        severity: 'ticket',
        expr: `min(holdfast_audit_age{scope="whole"}) > ${time.seconds(259_200)}`,
        for: time.span('15m'),
        summary: 'Nobody has counted the whole ledger for days',
        description: 'The last complete count ended {{ $value | humanizeDuration }} ago, or one never ended.',
      },
      {
        alert: 'HoldfastProbesFail',
        severity: 'page',
        expr: `sum by (tier, path) (increase(holdfast_probe_results_total{outcome="failed"}[${time.span('5m')}])) > ${time.count(3)}`,
        for: time.span('1m'),
        summary: 'Canaries fail: {{ $labels.tier }} {{ $labels.path }}',
        description: '{{ $value | humanize }} failed in 5 minutes. Users see the same.',
      },
      {
        alert: 'HoldfastProbesSilent',
        severity: 'ticket',
        expr: `max by (instance, tier, path) (holdfast_probe_age{path!="other"}) > ${time.seconds(120)}`,
        for: time.span('2m'),
        summary: 'No canary of {{ $labels.instance }} succeeds: {{ $labels.tier }} {{ $labels.path }}',
        description: 'The last one that did was {{ $value | humanizeDuration }} ago.',
      },
      {
        alert: 'HoldfastProbesAlone',
        severity: 'page',
        // A node that hears the bus, beside others that have canaries too: workers and nodes that stop say nothing of listeners.
        expr: 'min by (instance) (holdfast_probe_listeners) == 0 and on (instance) min by (instance) (holdfast_bus_connected) == 1 and on () count(holdfast_probe_listeners) > 1',
        for: time.span('2m'),
        summary: 'Nobody answers the canaries of {{ $labels.instance }}',
        description: 'There are other nodes, and it has not heard of them: users of the two may be apart.',
      },
      {
        alert: 'HoldfastNodesApart',
        severity: 'page',
        // Each half has listeners of its own, so no canary fails for it.
        expr: 'min by (instance) (holdfast_bus_nodes) < on () group_left () count(holdfast_bus_connected == 1) and on (instance) min by (instance) (holdfast_bus_connected) == 1',
        for: time.span('2m'),
        summary: '{{ $labels.instance }} hears only a part of the nodes',
        description:
          'It hears {{ $value }} of them, and all say that the bus answers: users of the parts are apart.',
      },
      {
        alert: 'HoldfastProbesAbsent',
        severity: 'ticket',
        expr: 'absent(holdfast_probe_results_total)',
        for: time.span('10m'),
        summary: 'No node has canaries',
        description:
          'Nobody watches from outside whether messages arrive: `prober.enabled` is false everywhere.',
      },
    ],
  }
}
