import { at, type Board, lines, quantile, rate, rates, states } from './panel.ts'

const signals = 'tier="realtime"'

export const realtime: Board = {
  name: 'realtime',
  title: 'Realtime tier',
  about: 'Connections, signals, the bus between nodes, and the nodes themselves.',
  sections: [
    {
      title: 'Connections',
      panels: [
        lines('Open connections', 'By state.', 'short', {
          '{{instance}} {{state}}': at('holdfast_connections'),
        }),
        lines('Handshakes', 'Requests for a connection per second, by how they ended.', 'ops', {
          '{{outcome}}': rates('outcome', 'holdfast_connection_handshakes_total'),
        }),
        lines('Disconnects', 'Per second, by code (docs/ERRORS.md).', 'ops', {
          '{{code}}': rates('code', 'holdfast_disconnects_total'),
        }),
        lines('Subscriptions', 'Of clients, and channels that have any, by tier.', 'short', {
          'subscriptions, {{tier}}': `sum by (tier) (${at('holdfast_subscriptions')})`,
          'channels, {{tier}}': `sum by (tier) (${at('holdfast_channels')})`,
        }),
        lines('Refused', 'Refusals per second because of a limit, and error replies by code.', 'ops', {
          '{{limit}}': rates('limit', 'holdfast_limited_total'),
          'error {{code}}': rates('code', 'holdfast_errors_total'),
        }),
        lines(
          'Read-only namespaces',
          'That operators have made so (1), and requests to the console per second with a wrong token.',
          'none',
          {
            '{{namespace}}': `max by (namespace) (${at('holdfast_namespace_read_only')})`,
            'wrong tokens': `sum(${rate('holdfast_console_denied_total')})`,
          },
          { only: 'the console' },
        ),
        lines('Shed', 'Requests per second that a node refused because it has too much to do.', 'ops', {
          '{{instance}} {{reason}}': rate('holdfast_shed_total'),
        }),
        states(
          'Refuses new connections',
          'Whether a node does so now, by reason, because it has too much to do.',
          { '{{instance}} {{reason}}': at('holdfast_shedding') },
          { words: { '0': 'no', '1': 'yes' }, bad: 1, width: 16 },
        ),
      ],
    },
    {
      title: 'Signals',
      panels: [
        lines('Signals accepted', 'Per second, by how they ended.', 'mps', {
          '{{outcome}}': rates('outcome', 'holdfast_publications_total', signals),
        }),
        lines('Signals delivered', 'Expected, written, and not written, per second.', 'mps', {
          expected: rates('tier', 'holdfast_delivery_expected_total', signals),
          'written, {{path}}': rates('path', 'holdfast_delivery_written_total', signals),
          'dropped, {{reason}}': rates('reason', 'holdfast_delivery_dropped_total', signals),
        }),
        lines(
          'Latency of signals (p99)',
          'By stage; one of 16 is measured. Of channels with a history all together only on the same node.',
          's',
          {
            '{{stage}}': quantile(0.99, 'holdfast_delivery_latency', 'stage', signals),
          },
        ),
        lines(
          'Signals lost between nodes',
          'Per second, by reason. With Redis away that is what the tier promises.',
          'mps',
          { '{{reason}}': rates('reason', 'holdfast_bus_dropped_total') },
        ),
        lines(
          'Nodes that hear the others',
          '1, or 0 where a node delivers signals to its own clients only.',
          'none',
          { '{{instance}}': at('holdfast_bus_connected') },
          { badBelow: 1, most: 1 },
        ),
        lines(
          'Processes heard',
          'How many each hears over the bus, itself included. Fewer than there are, and others fewer too: the deployment is in two halves.',
          'none',
          { '{{instance}}': at('holdfast_bus_nodes') },
        ),
        lines(
          'Signals without a number',
          'Of channels with a history, per second; and whether numbers are given (1).',
          'none',
          {
            'without, {{instance}}': rate('holdfast_realtime_unnumbered_total'),
            'given, {{instance}}': at('holdfast_realtime_numbering'),
          },
        ),
        lines(
          'Subscriptions made again at Redis',
          'Channels per second whose connection was lost, and connections that were found deaf.',
          'ops',
          {
            'again, {{bus}}': rates('bus', 'holdfast_bus_resubscribed_total'),
            'deaf, {{bus}}': rates('bus', 'holdfast_bus_deaf_total'),
          },
        ),
        lines(
          'Messages of other releases',
          'That this release does not understand, per second. None, unless two run side by side.',
          'mps',
          { '{{kind}}': rates('kind', 'holdfast_bus_foreign_total') },
        ),
        lines(
          'Recoveries of realtime channels',
          'Subscriptions that continue from a place, per second: recovered, told that something is missing, or to ask again.',
          'ops',
          { '{{outcome}} {{reason}}': rates('outcome, reason', 'holdfast_recoveries_total', signals) },
        ),
      ],
    },
    {
      title: 'Slow clients',
      panels: [
        lines('What waits for sockets', 'On each node, and for the one for which most waits.', 'bytes', {
          'all, {{instance}}': at('holdfast_mailbox_size'),
          'largest, {{instance}}': at('holdfast_mailbox_largest'),
        }),
        lines('Slow consumers cut', 'Connections per second that read too slowly.', 'ops', {
          '{{instance}}': rate('holdfast_slow_consumers_total'),
        }),
        lines('Subscriptions begun anew', 'Per second, by tier: clients come back and recover.', 'ops', {
          '{{tier}}': rates('tier', 'holdfast_resyncs_total'),
        }),
      ],
    },
    {
      title: 'Nodes',
      panels: [
        lines(
          'Event-loop lag',
          'How long what arrives waits for its turn.',
          's',
          { '{{instance}}': at('holdfast_event_loop_lag_seconds') },
          { bad: 0.2 },
        ),
        lines(
          'Event-loop use',
          'Share of the time in which there was something to do.',
          'percentunit',
          { '{{instance}}': at('holdfast_event_loop_utilization') },
          { most: 1 },
        ),
        lines('Processor', 'Cores in use.', 'none', {
          '{{instance}} {{mode}}': rate('holdfast_process_cpu_total'),
        }),
        lines('Memory', 'Of each process, by kind.', 'bytes', {
          '{{instance}} {{kind}}': at('holdfast_process_memory', 'kind=~"rss|heap_used"'),
        }),
        lines(
          'Memory use',
          'Share of what the process may have; above 0.85 it soon refuses connections.',
          'percentunit',
          { '{{instance}}': at('holdfast_memory_use') },
          { bad: 0.85, most: 1 },
        ),
        lines('Garbage collection', 'Share of the time spent in pauses.', 'percentunit', {
          '{{instance}} {{kind}}': rate('holdfast_process_gc_duration_sum'),
        }),
        lines('Clocks', 'How far the clock of each process is from that of Prometheus.', 's', {
          '{{instance}}': `abs(${at('holdfast_process_clock')} - timestamp(${at('holdfast_process_clock')}))`,
        }),
        lines('Commands under way', 'What clients have asked and is not answered.', 'bytes', {
          '{{instance}}': at('holdfast_commands_size'),
        }),
      ],
    },
  ],
}
