import type { MetricName } from './metric-name.ts'

/** Ledger, mirror and outbox. */
export const ledgerMetrics = {
  ledgerState: {
    name: 'holdfast.ledger.state',
    type: 'gauge',
    unit: '1',
    labels: ['state'],
    description:
      'Whether the ledger is in `state` as this node sees it (`ready`, `unreachable`, `read_only`: it answers and takes no writes, `behind_mirror`: it has lost events that a mirror, another node or this one knows of): 1 for one of them.',
  },
  mirrorState: {
    name: 'holdfast.mirror.state',
    type: 'gauge',
    unit: '1',
    labels: ['state'],
    description:
      'Whether the mirror is in `state` as this node sees it (`ready`, `healing`, `unreachable`): 1 for one of them.',
  },
  ledgerEpochs: {
    name: 'holdfast.ledger.epochs',
    type: 'counter',
    unit: '{epoch}',
    labels: [],
    description: 'New epochs of the ledger that this process has found: durable subscriptions began anew.',
  },
  appendBatchSize: {
    name: 'holdfast.append.batch.size',
    type: 'histogram',
    unit: '{event}',
    labels: [],
    description: 'Events that were sent to the ledger in one statement.',
  },
  appendCommitDuration: {
    name: 'holdfast.append.commit.duration',
    type: 'histogram',
    unit: 's',
    labels: ['outcome'],
    description:
      'From sending a batch of appends to the answer of its commit, by `outcome` (`committed`, `failed`: its fate is unknown or it was refused as a whole).',
  },
  appendWaiting: {
    name: 'holdfast.append.waiting',
    type: 'gauge',
    unit: 'By',
    labels: [],
    description: 'What waits for the ledger or is under way to it on this node.',
  },
  mirrorLag: {
    name: 'holdfast.mirror.lag',
    type: 'gauge',
    unit: '{event}',
    labels: [],
    description:
      'Positions of the ledger that the mirror has not yet, of all partitions together, as this node saw it at its last look.',
  },
  mirrorLagSeconds: {
    name: 'holdfast.mirror.lag.age',
    type: 'gauge',
    unit: 's',
    labels: [],
    description:
      'How long a partition’s mirror has lacked what this node saw it lack, of all partitions the longest. Where events come all the time there is always one on its way; then this is how long they take, as far as looks every quarter of a second show it.',
  },
  mirrorRepairs: {
    name: 'holdfast.mirror.repairs',
    type: 'counter',
    unit: '{repair}',
    labels: ['outcome'],
    description:
      'Fills that the sweeper of this process has begun because a mirror stood still behind its ledger, by `outcome` (`filled`, `yielded`: another node was at it, `failed`).',
  },
  mirrorFilled: {
    name: 'holdfast.mirror.filled',
    type: 'counter',
    unit: '{event}',
    labels: [],
    description:
      'Events that this process has brought into mirrors after their commit’s own turn: repairs, and what was refused at first.',
  },
  commandsEnded: {
    name: 'holdfast.commands',
    type: 'counter',
    unit: '{command}',
    labels: ['outcome'],
    description:
      'Commands of aggregates that have ended on this node, by `outcome`: `recorded`, `nothing`, `duplicate`, `refused`, `failed`.',
  },
  commandConflicts: {
    name: 'holdfast.command.conflicts',
    type: 'counter',
    unit: '{decision}',
    labels: [],
    description: 'Decisions that this node has made again because somebody else was faster.',
  },
  outboxWaiting: {
    name: 'holdfast.outbox.waiting',
    type: 'gauge',
    unit: '{event}',
    labels: [],
    description: 'Committed rows of the outbox that are not in the ledger yet.',
  },
  outboxAge: {
    name: 'holdfast.outbox.age',
    type: 'gauge',
    unit: 's',
    labels: [],
    description: 'Age of the oldest such row.',
  },
  outboxRefused: {
    name: 'holdfast.outbox.refused',
    type: 'gauge',
    unit: '{event}',
    labels: [],
    description: 'Rows of the outbox that the ledger can never take.',
  },
} as const satisfies Record<string, MetricName>
