import { at, lines, quantile, rates, type Section } from './panel.ts'

/** Every worker reads the same of Postgres, so the largest reading is the one. */
const max = (by: string, metric: string) => `max by (${by}) (${at(metric)})`

/** Groups, read models, jobs and the outbox. */
export const behindTheLog: Section = {
  title: 'Behind the log',
  panels: [
    lines('Groups: events behind', 'Not settled yet.', 'short', {
      '{{group}}': max('group', 'holdfast_group_lag'),
    }),
    lines(
      'Groups: seconds behind',
      'Age of the oldest event that is not settled.',
      's',
      { '{{group}}': max('group', 'holdfast_group_lag_age') },
      { bad: 120 },
    ),
    lines('Groups: attempts', 'Per second, by how handling ended.', 'ops', {
      '{{group}} {{outcome}}': rates('group, outcome', 'holdfast_group_attempts_total'),
    }),
    lines('Groups: time of handlers (p99)', 'A batch is one.', 's', {
      '{{group}}': quantile(0.99, 'holdfast_group_duration', 'group'),
    }),
    lines('Open deliveries', 'By consumer and state; parked ones wait for somebody.', 'short', {
      '{{consumer}} {{state}}': max('consumer, state', 'holdfast_deliveries'),
    }),
    lines(
      'Oldest open delivery',
      'By consumer and state.',
      's',
      { '{{consumer}} {{state}}': max('consumer, state', 'holdfast_deliveries_age') },
      { only: 'open deliveries' },
    ),
    lines(
      'Read models: seconds behind',
      'Of each build.',
      's',
      { '{{projection}} {{state}}': max('projection, state', 'holdfast_projection_lag_age') },
      { bad: 120 },
    ),
    lines('Read models: events behind', 'Of each build.', 'short', {
      '{{projection}} {{state}}': max('projection, state', 'holdfast_projection_lag'),
    }),
    lines('Read models: builds', 'That are not dropped, by state.', 'short', {
      '{{projection}} {{state}}': max('projection, state', 'holdfast_projection_builds'),
    }),
    lines('Read models: events', 'Settled per second, rebuilds included.', 'mps', {
      '{{projection}} {{version}}': rates('projection, version', 'holdfast_projection_events_total'),
    }),
    lines(
      'Read models: progress',
      'How much of the ledger each has passed.',
      'percentunit',
      {
        '{{projection}} {{state}}': `min by (projection, state) (${at('holdfast_projection_progress')})`,
      },
      { most: 1 },
    ),
    lines(
      'Jobs: attempts',
      'Per second, by how they ended.',
      'ops',
      { '{{rule}}{{schedule}} {{outcome}}': rates('rule, schedule, outcome', 'holdfast_job_attempts_total') },
      { only: 'rules or schedules' },
    ),
    lines(
      'Jobs: overdue',
      'Since when the oldest is due that is not done.',
      's',
      { '{{rule}}': max('rule', 'holdfast_job_overdue') },
      { bad: 120, only: 'rules' },
    ),
    lines('Outbox', 'Committed by applications and not recorded yet; and refused for good.', 'short', {
      waiting: `max(${at('holdfast_outbox_waiting')})`,
      refused: `max(${at('holdfast_outbox_refused')})`,
    }),
    lines(
      'Outbox: age',
      'Of the oldest row.',
      's',
      { oldest: `max(${at('holdfast_outbox_age')})` },
      { bad: 60 },
    ),
    lines('Duplicates told apart', 'Events per second that another worker had settled already.', 'mps', {
      '{{group}}': rates('group', 'holdfast_group_suppressed_total'),
    }),
  ],
}
