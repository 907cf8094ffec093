import type { MetricName } from './metric-name.ts'

/** Behind the log. */
export const logMetrics = {
  cursors: {
    name: 'holdfast.cursors',
    type: 'gauge',
    unit: '{cursor}',
    labels: ['namespace', 'cursor'],
    description: 'Cursors that users have, by `namespace` and `cursor` (its name).',
  },
  cursorLag: {
    name: 'holdfast.cursor.lag',
    type: 'gauge',
    unit: '{event}',
    labels: ['namespace', 'cursor'],
    description:
      'Events after the cursor that is furthest behind its channel’s head, by `namespace` and `cursor`.',
  },
  groupLag: {
    name: 'holdfast.group.lag',
    type: 'gauge',
    unit: '{event}',
    labels: ['group'],
    description: 'Events that a consumer group has not settled yet, by `group`.',
  },
  groupLagSeconds: {
    name: 'holdfast.group.lag.age',
    type: 'gauge',
    unit: 's',
    labels: ['group'],
    description: 'Age of the oldest event that a consumer group has not settled yet, by `group`.',
  },
  groupAttempts: {
    name: 'holdfast.group.attempts',
    type: 'counter',
    unit: '{event}',
    labels: ['group', 'outcome'],
    description:
      'How handling events has ended, by `group` and `outcome` (`done`, `retry`, `park`, `failed`: the handler threw or took too long, or its transaction failed); counted by this process.',
  },
  groupDuration: {
    name: 'holdfast.group.duration',
    type: 'histogram',
    unit: 's',
    labels: ['group'],
    description: 'How long handlers took, by `group`; a batch is one.',
  },
  groupSuppressed: {
    name: 'holdfast.group.suppressed',
    type: 'counter',
    unit: '{event}',
    labels: ['group'],
    description:
      'Events that came to a competing group’s worker although another had settled them, by `group`; counted by this process.',
  },
  deliveries: {
    name: 'holdfast.deliveries',
    type: 'gauge',
    unit: '{delivery}',
    labels: ['consumer', 'state'],
    description: 'Open deliveries, by `consumer` (`group/…` or `rule/…`) and `state`.',
  },
  deliveriesAge: {
    name: 'holdfast.deliveries.age',
    type: 'gauge',
    unit: 's',
    labels: ['consumer', 'state'],
    description: 'Age of the oldest open delivery, by `consumer` (`group/…` or `rule/…`) and `state`.',
  },
  projectionBuilds: {
    name: 'holdfast.projection.builds',
    type: 'gauge',
    unit: '{build}',
    labels: ['projection', 'state'],
    description:
      'Builds of a projection that are not dropped, by `projection` and `state` (`active`, `building`, `standby`).',
  },
  projectionLag: {
    name: 'holdfast.projection.lag',
    type: 'gauge',
    unit: '{event}',
    labels: ['projection', 'state'],
    description:
      'Events that a build of a projection has not settled yet, by `projection` and `state`; of several in one state the most.',
  },
  projectionLagSeconds: {
    name: 'holdfast.projection.lag.age',
    type: 'gauge',
    unit: 's',
    labels: ['projection', 'state'],
    description:
      'Age of the oldest event that a build of a projection has not settled yet, by `projection` and `state`; of several the oldest.',
  },
  projectionProgress: {
    name: 'holdfast.projection.progress',
    type: 'gauge',
    unit: '1',
    labels: ['projection', 'state'],
    description:
      'How much of the ledger a build of a projection has passed (0 to 1), by `projection` and `state`; of several the least.',
  },
  projectionEvents: {
    name: 'holdfast.projection.events',
    type: 'counter',
    unit: '{event}',
    labels: ['projection', 'version'],
    description:
      'Events that builds of a projection have settled, by `projection` and `version`; counted by this process.',
  },
  jobAttempts: {
    name: 'holdfast.job.attempts',
    type: 'counter',
    unit: '{attempt}',
    labels: ['rule', 'schedule', 'outcome'],
    description:
      'How attempts at jobs and schedules ended, by `rule` or `schedule` (of the configuration; `(other)`: all others) and `outcome`; counted by this process.',
  },
  jobOverdue: {
    name: 'holdfast.job.overdue',
    type: 'gauge',
    unit: 's',
    labels: ['rule'],
    description: 'Since when a rule’s oldest delivery has been due that is not made yet, by `rule`.',
  },
} as const satisfies Record<string, MetricName>
