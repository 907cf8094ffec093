import type { MetricName } from './metric-name.ts'

/** Between the nodes. */
export const nodeMetrics = {
  busConnected: {
    name: 'holdfast.bus.connected',
    type: 'gauge',
    unit: '1',
    labels: [],
    description:
      'Whether this node hears the others (1), or delivers realtime publications only to its own clients (0).',
  },
  busNodes: {
    name: 'holdfast.bus.nodes',
    type: 'gauge',
    unit: '{node}',
    labels: [],
    description:
      'Processes of this deployment that this one hears over the bus, itself included; 1 while that is away. Fewer than there are, while `holdfast.bus.connected` is 1, are apart from the others: on another Redis, under another prefix, or without its channels.',
  },
  busDropped: {
    name: 'holdfast.bus.dropped',
    type: 'counter',
    unit: '{message}',
    labels: ['reason'],
    description:
      'Publications and signals between nodes that were not delivered, by `reason`: `away` (Redis is known to be), `full` (too much waited for it), `late` (it got them too late), `unanswered` (it may have published them), `stale` (they came here too late); counted by this process.',
  },
  busDeaf: {
    name: 'holdfast.bus.deaf',
    type: 'counter',
    unit: '{loss}',
    labels: ['bus'],
    description:
      'How often a message that this process sent to itself over `bus` (`realtime`, `log`) did not come although Redis answered on both connections; the subscriber was connected anew.',
  },
  busResubscribed: {
    name: 'holdfast.bus.resubscribed',
    type: 'counter',
    unit: '{channel}',
    labels: ['bus'],
    description:
      'Channels that this process has subscribed again because its subscriber connection of `bus` was lost.',
  },
  busForeign: {
    name: 'holdfast.bus.foreign',
    type: 'counter',
    unit: '{message}',
    labels: ['kind'],
    description:
      'Messages of other nodes that this release does not understand, by `kind`: `signal`, `control`, `announcement`, `notice`, `news`. None, unless nodes of different releases run; counted by this process.',
  },
  numbering: {
    name: 'holdfast.realtime.numbering',
    type: 'gauge',
    unit: '1',
    labels: [],
    description:
      'Whether publications in realtime channels with history get their numbers on this node (1), or go out without (0) because Redis is away, slow or takes no writes.',
  },
  unnumbered: {
    name: 'holdfast.realtime.unnumbered',
    type: 'counter',
    unit: '{publication}',
    labels: [],
    description:
      'Publications in realtime channels with history that this process has sent out without a number.',
  },
} as const satisfies Record<string, MetricName>
