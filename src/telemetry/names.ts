/** Every metric that Holdfast has: its name, unit (UCUM) and meaning. `docs/TELEMETRY.md` says the same; a test compares. */
export interface MetricName {
  readonly name: string
  readonly unit: string
  readonly description: string
}

/** No channel, no user and no schedule of an application's making is ever an attribute: their number has no bound. */
export const metrics = {
  cursors: {
    name: 'holdfast.cursors',
    unit: '{cursor}',
    description: 'Cursors that users have, by `namespace` and `cursor` (its name).',
  },
  cursorLag: {
    name: 'holdfast.cursor.lag',
    unit: '{event}',
    description:
      'Events after the cursor that is furthest behind its channel’s head, by `namespace` and `cursor`.',
  },
  groupLag: {
    name: 'holdfast.group.lag',
    unit: '{event}',
    description: 'Events that a consumer group has not settled yet, by `group`.',
  },
  groupLagSeconds: {
    name: 'holdfast.group.lag.age',
    unit: 's',
    description: 'Age of the oldest event that a consumer group has not settled yet, by `group`.',
  },
  deliveries: {
    name: 'holdfast.deliveries',
    unit: '{delivery}',
    description: 'Open deliveries, by `consumer` (`group/…` or `rule/…`) and `state`.',
  },
  groupSuppressed: {
    name: 'holdfast.group.suppressed',
    unit: '{event}',
    description:
      'Events that came to a competing group’s worker although another had settled them, by `group`; counted by this process.',
  },
  jobAttempts: {
    name: 'holdfast.job.attempts',
    unit: '{attempt}',
    description:
      'How attempts at jobs and schedules ended, by `rule` or `schedule` (of the configuration; `(other)`: all others) and `outcome`; counted by this process.',
  },
  jobOverdue: {
    name: 'holdfast.job.overdue',
    unit: 's',
    description: 'Since when a rule’s oldest delivery has been due that is not made yet, by `rule`.',
  },
  outboxWaiting: {
    name: 'holdfast.outbox.waiting',
    unit: '{event}',
    description: 'Committed rows of the outbox that are not in the ledger yet.',
  },
  outboxAge: {
    name: 'holdfast.outbox.age',
    unit: 's',
    description: 'Age of the oldest such row.',
  },
  outboxRefused: {
    name: 'holdfast.outbox.refused',
    unit: '{event}',
    description: 'Rows of the outbox that the ledger can never take.',
  },
} as const satisfies Record<string, MetricName>
