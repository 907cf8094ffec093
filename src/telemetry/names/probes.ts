import type { MetricName } from './metric-name.ts'

/** What canaries see, and what the auditor finds. */
export const probeMetrics = {
  probes: {
    name: 'holdfast.probe.results',
    type: 'counter',
    unit: '{probe}',
    labels: ['tier', 'path', 'outcome'],
    description:
      'What the canaries of this node have found, by `tier` (of `connect` none), `path` (`connect`: a new connection; `accept`: the answer to a publication or an append; `local`: its delivery by this node; `other`: its delivery by another node, for each that listens) and `outcome` (`succeeded`, `failed`; `degraded`: failed as is to be expected, because the bus is known to be away).',
  },
  probeFailures: {
    name: 'holdfast.probe.failures',
    type: 'counter',
    unit: '{probe}',
    labels: ['tier', 'path', 'reason'],
    description:
      'Those that failed, by `tier`, `path` and `reason`: `unconnected`, `refused`, `unanswered` (no answer within `prober.deadlineMs`), `unheard` (accepted, and not delivered by then), `wrong` (something else was delivered, or out of order).',
  },
  probeLatency: {
    name: 'holdfast.probe.latency',
    type: 'histogram',
    unit: 's',
    labels: ['tier', 'path'],
    description:
      'How long it took those that succeeded, from sending on, by `tier` and `path`; of `other` half of the way there and back, so that no two clocks are compared.',
  },
  probeAge: {
    name: 'holdfast.probe.age',
    type: 'gauge',
    unit: 's',
    labels: ['tier', 'path'],
    description:
      'Since when no canary of this node has succeeded, by `tier` and `path`; before the first, since the canaries began (of `other`: absent).',
  },
  probeListeners: {
    name: 'holdfast.probe.listeners',
    type: 'gauge',
    unit: '{node}',
    labels: [],
    description:
      'Other nodes that answer the canaries of this one: at most three, however many there are. 0 beside other nodes means that nobody watches the way to them. Only of processes that have canaries now: of no worker, and of no node that stops.',
  },
  auditLost: {
    name: 'holdfast.audit.lost',
    type: 'gauge',
    unit: '{event}',
    labels: ['found'],
    description:
      'Acknowledged events that are known to be missing, by `found` (`canary`: this node’s canary was told that they are recorded, or has received them; `ledger`: the ledger’s own numbering, or the mirror, tells of them). Must be 0; one event may count in both.',
  },
  auditMismatches: {
    name: 'holdfast.audit.mismatches',
    type: 'counter',
    unit: '{event}',
    labels: ['kind'],
    description:
      'What this process has found to differ and not to be lost, by `kind`: `mirror_missing`, `mirror_other` (the log lacks an event, or tells of another than the ledger), `history_other` (a channel’s history does), `erased_copy` (it still tells what was erased), `received_missing`, `received_other`, `received_order` (of what a canary was delivered). Each difference counts once, however long it stands; a kind of which nothing was found is 0.',
  },
  auditChecked: {
    name: 'holdfast.audit.checked',
    type: 'counter',
    unit: '{event}',
    labels: ['what'],
    description:
      'What this process has compared, by `what`: `acknowledged` and `received` (by its canary, with the ledger), `ledger` (with its own numbering), `mirror` (with the ledger), `history` (with the ledger).',
  },
  auditAge: {
    name: 'holdfast.audit.age',
    type: 'gauge',
    unit: 's',
    labels: ['scope'],
    description:
      'Since when the auditor has been through all partitions, by `scope` (`recent`: their newest events and the mirror; `whole`: every event’s place); of the one process that audits, from the beginning of its turn on.',
  },
} as const satisfies Record<string, MetricName>
