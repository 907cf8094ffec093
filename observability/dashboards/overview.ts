import { at, type Board, lines, orNone, quantile, rates, stat, table } from './panel.ts'

const firing = 'ALERTS{alertstate="firing",alertname=~"Holdfast.+"}'
/** Errors over an hour as a share of what may be: above 1 the budget of thirty days is used up too fast. */
const burn = (name: string, budget: number) => `holdfast:${name}_errors:ratio_rate1h / ${budget}`
const endToEnd = (q: number) => quantile(q, 'holdfast_delivery_latency', 'tier', 'stage="end_to_end"')
const ratio =
  'Live messages written to their sockets, of those that were expected and whose client has stayed (docs/TELEMETRY.md)'

export const overview: Board = {
  name: 'overview',
  title: 'Overview',
  about: 'Are the promises kept, do both tiers deliver, and what has changed.',
  sections: [
    {
      title: 'Now',
      panels: [
        stat(
          'Acknowledged and lost',
          'Events that were acknowledged and are missing, as the auditor has found. Anything but 0 is a broken promise.',
          'none',
          'sum(holdfast_audit_lost)',
          { bad: 1 },
        ),
        stat(
          'Delivery ratio',
          `${ratio}, in the last five minutes.`,
          'percentunit',
          { '{{tier}}': 'holdfast:delivery:ratio_rate5m' },
          { badBelow: 0.999, width: 6 },
        ),
        stat('Alerts', 'How many fire.', 'none', `count(${firing}) or vector(0)`, { bad: 1, width: 3 }),
        stat('Processes', 'Nodes and workers that answer.', 'none', 'count(holdfast_info)', { width: 3 }),
        stat(
          'Breakers open',
          'Breakers that do not let calls pass, of all nodes.',
          'none',
          'sum(holdfast_breaker_state{state!="passing"})',
          { bad: 1 },
        ),
        stat('Clients', 'That are connected.', 'short', 'sum(holdfast_connections{state="connected"})'),
      ],
    },
    {
      title: 'Rates',
      panels: [
        lines('Publications', 'Publications, signals and appends, by tier and how they ended.', 'mps', {
          '{{tier}} {{outcome}}': rates('tier, outcome', 'holdfast_publications_total'),
        }),
        lines('Delivered', 'Messages written to subscribers’ sockets: live, or from the past.', 'mps', {
          '{{tier}} {{path}}': rates('tier, path', 'holdfast_delivery_written_total'),
        }),
        lines(
          'Not delivered',
          'Messages for subscribers that were not written, and signals that did not arrive at other nodes. Durable ones come with the recovery.',
          'mps',
          {
            '{{tier}} {{reason}}': rates('tier, reason', 'holdfast_delivery_dropped_total'),
            'between nodes, {{reason}}': rates('reason', 'holdfast_bus_dropped_total'),
          },
        ),
      ],
    },
    {
      title: 'Objectives',
      panels: [
        lines(
          'Delivery ratio over time',
          `${ratio}. The objective is 99.9 %.`,
          'percentunit',
          { '{{tier}}': 'holdfast:delivery:ratio_rate5m' },
          { badBelow: 0.999, most: 1 },
        ),
        lines(
          'Budget burn',
          'Errors over an hour, of what may go wrong: 1 uses up the budget of thirty days in thirty days, 14.4 in two.',
          'none',
          {
            'publish, {{tier}}': burn('publish', 0.001),
            'delivery, {{tier}}': burn('delivery', 0.001),
            'latency, {{tier}}': burn('latency', 0.01),
          },
          { bad: 14.4 },
        ),
        lines(
          'Latency, end to end',
          'From the acceptance on the publishing node (durable: the commit) to the sockets of the subscribers’ node. Of realtime channels with a history only to those of the same node.',
          's',
          { 'p50 {{tier}}': endToEnd(0.5), 'p99 {{tier}}': endToEnd(0.99) },
        ),
      ],
    },
    {
      title: 'From outside',
      panels: [
        lines(
          'Canaries that fail',
          'Probes per second that failed, and those that did because the bus is known to be away (degraded).',
          'ops',
          {
            '{{tier}} {{path}} {{outcome}}': rates(
              'tier, path, outcome',
              'holdfast_probe_results_total',
              'outcome!="succeeded"',
            ),
          },
        ),
        lines('Canaries that succeed', 'Probes per second that did.', 'ops', {
          '{{tier}} {{path}}': rates('tier, path', 'holdfast_probe_results_total', 'outcome="succeeded"'),
        }),
        lines('Canaries’ latency (p99)', 'How long those took that succeeded, over real sockets.', 's', {
          '{{tier}} {{path}}': quantile(0.99, 'holdfast_probe_latency', 'tier, path'),
        }),
        lines('Why canaries fail', 'Probes per second, by reason.', 'ops', {
          '{{tier}} {{path}} {{reason}}': orNone(
            rates('tier, path, reason', 'holdfast_probe_failures_total'),
          ),
        }),
        lines('Canaries: last success', 'Since when none of a node has succeeded.', 's', {
          '{{instance}} {{tier}} {{path}}': at('holdfast_probe_age'),
        }),
        lines(
          'Canaries: listeners',
          'Other nodes that answer the canaries of a node, at most three.',
          'none',
          {
            '{{instance}}': at('holdfast_probe_listeners'),
          },
        ),
      ],
    },
    {
      title: 'What changed',
      panels: [
        lines(
          'Connects and disconnects',
          'Per second; disconnects by code (docs/ERRORS.md): 3001 is a deploy, 3008 a slow client, peer the network.',
          'ops',
          {
            connects: `sum(rate(${at('holdfast_connects_total')}[$__rate_interval]))`,
            'code {{code}}': rates('code', 'holdfast_disconnects_total'),
          },
        ),
        lines('Uptime', 'How long each process has run: a step down is a restart.', 's', {
          '{{instance}}': at('holdfast_process_uptime'),
        }),
        table('Releases', 'What each process runs.', 'holdfast_info'),
        table('Firing alerts', 'With their labels. Each has a section in docs/RUNBOOK.md.', firing, {
          width: 24,
          only: 'an alert that fires',
        }),
      ],
    },
  ],
}
