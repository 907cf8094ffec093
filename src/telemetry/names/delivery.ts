import type { MetricName } from './metric-name.ts'

/** Publications and their delivery. */
export const deliveryMetrics = {
  publications: {
    name: 'holdfast.publications',
    type: 'counter',
    unit: '{publication}',
    labels: ['tier', 'outcome'],
    description:
      'Publications, signals and appends that came to the tiers of this node, or were refused by contract or read-only namespace on their way there, by `tier` (`realtime`, `durable`) and `outcome`: `accepted` (durable: committed), `duplicate` (its id was known, nothing was done again), `refused` (it is the asker’s to change it), `read_only` (an operator has made the namespace read-only), `unavailable` (it could not be done now, or nobody knows whether it was).',
  },
  publishDuration: {
    name: 'holdfast.publish.duration',
    type: 'histogram',
    unit: 's',
    labels: ['tier'],
    description:
      'From a publication’s arrival on this node to its acceptance (durable: its commit), by `tier`; realtime: one of 16.',
  },
  deliveryExpected: {
    name: 'holdfast.delivery.expected',
    type: 'counter',
    unit: '{message}',
    labels: ['tier'],
    description:
      'Messages times the subscribers that were live here when they came (the denominator of the delivery ratio), by `tier`; joins and leaves count as realtime messages.',
  },
  deliveryWritten: {
    name: 'holdfast.delivery.written',
    type: 'counter',
    unit: '{message}',
    labels: ['tier', 'path'],
    description:
      'Messages that this node’s kernel has taken for a subscriber’s socket without an error (the numerator), by `tier` and `path`: `live`, or `replay` (pushed from the past, never expected).',
  },
  deliveryDropped: {
    name: 'holdfast.delivery.dropped',
    type: 'counter',
    unit: '{message}',
    labels: ['tier', 'path', 'reason'],
    description:
      'Messages for a subscriber that were not written, by `tier`, `path` and `reason`: `slow` (its connection was cut because it read too slowly), `closed` (its connection had ended otherwise), `unsubscribed` (it did not want them any more).',
  },
  deliveryLatency: {
    name: 'holdfast.delivery.latency',
    type: 'histogram',
    unit: 's',
    labels: ['tier', 'stage'],
    description:
      'How long a message took, by `tier` and `stage`: `commit` (accepted to committed), `mirror` (committed to announced by Redis), `bus` (left the publishing node to arrived here), `fan_out` (arrived here to written to all sockets that take it), `end_to_end` (accepted or committed anywhere to written here). Realtime and all stages behind the commit: one of 16.',
  },
  acknowledged: {
    name: 'holdfast.acknowledged',
    type: 'counter',
    unit: '{event}',
    labels: [],
    description: 'Events that cursors have passed because clients have acknowledged them to this node.',
  },
  recoveries: {
    name: 'holdfast.recoveries',
    type: 'counter',
    unit: '{recovery}',
    labels: ['tier', 'outcome', 'reason'],
    description:
      'Subscriptions that asked to continue from a place, by `tier`, `outcome` (`recovered`, `told`: it cannot be had and the client knows, `refused`: not now, the client asks again) and `reason` (of told ones `epoch`, `removed`, `ahead`, `too_many`: more than may be pushed, clients read page by page; else `none`).',
  },
  recovered: {
    name: 'holdfast.recovered',
    type: 'counter',
    unit: '{publication}',
    labels: ['tier'],
    description:
      'Publications that rode in the replies of recoveries, by `tier`; those that followed as pushes are written with the path `replay` (durable) or `live`.',
  },
  resyncs: {
    name: 'holdfast.resyncs',
    type: 'counter',
    unit: '{subscription}',
    labels: ['tier'],
    description:
      'Subscriptions that this node has ended so that the client comes back and recovers (2500), by `tier`.',
  },
} as const satisfies Record<string, MetricName>
