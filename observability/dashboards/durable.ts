import { behindTheLog } from './durable-work.ts'
import { at, type Board, lines, orNone, quantile, rate, rates, states } from './panel.ts'

const events = 'tier="durable"'
const batches = 'holdfast_append_batch_size'

export const durable: Board = {
  name: 'durable',
  title: 'Durable tier',
  about: 'The ledger, its mirror, replay, and what works behind the log.',
  sections: [
    {
      title: 'Recording',
      panels: [
        lines('Events recorded', 'Appends per second, by how they ended.', 'mps', {
          '{{outcome}}': rates('outcome', 'holdfast_publications_total', events),
        }),
        lines('Time to record', 'From the arrival of an append to its commit.', 's', {
          p50: quantile(0.5, 'holdfast_publish_duration', '', events),
          p99: quantile(0.99, 'holdfast_publish_duration', '', events),
        }),
        lines('Time of a commit', 'From sending a batch to Postgres’ answer.', 's', {
          'p50 {{outcome}}': quantile(0.5, 'holdfast_append_commit_duration', 'outcome'),
          'p99 {{outcome}}': quantile(0.99, 'holdfast_append_commit_duration', 'outcome'),
        }),
        lines('Events per batch', 'A flood makes large ones.', 'none', {
          mean: `sum(${rate(`${batches}_sum`)}) / sum(${rate(`${batches}_count`)})`,
          p99: quantile(0.99, batches),
        }),
        lines('Appends that wait', 'For the ledger, or under way to it.', 'bytes', {
          '{{instance}}': at('holdfast_append_waiting'),
        }),
        lines('Commands', 'Of aggregates, per second, by how they ended; and decisions made again.', 'ops', {
          '{{outcome}}': rates('outcome', 'holdfast_commands_total'),
          'decided again': `sum(${rate('holdfast_command_conflicts_total')})`,
        }),
      ],
    },
    {
      title: 'Ledger and mirror',
      panels: [
        states(
          'Ledger',
          'As each node sees it; behind_mirror: it has lost events.',
          { '{{instance}} {{state}}': at('holdfast_ledger_state') },
          { words: { '0': 'no', '1': 'yes' } },
        ),
        states(
          'Mirror',
          'As each node sees it.',
          { '{{instance}} {{state}}': at('holdfast_mirror_state') },
          { words: { '0': 'no', '1': 'yes' } },
        ),
        lines('Mirror: events behind', 'Positions of the ledger that Redis has not yet.', 'short', {
          '{{instance}}': at('holdfast_mirror_lag'),
        }),
        lines(
          'Mirror: seconds behind',
          'Of the partition that has been behind for longest.',
          's',
          { '{{instance}}': at('holdfast_mirror_lag_age') },
          { bad: 30 },
        ),
        lines(
          'New epochs',
          'Of the ledger, per second, that a node has found: durable subscriptions began anew. After a restore only.',
          'ops',
          { '{{instance}}': rate('holdfast_ledger_epochs_total') },
        ),
        lines(
          'Mirror: repairs',
          'Fills by the sweeper, by how they ended, and events brought there late; per second.',
          'ops',
          {
            '{{outcome}}': rates('outcome', 'holdfast_mirror_repairs_total'),
            events: `sum(${rate('holdfast_mirror_filled_total')})`,
          },
        ),
      ],
    },
    {
      title: 'Delivery and replay',
      panels: [
        lines('Events delivered', 'Expected, written, and not written, per second.', 'mps', {
          expected: rates('tier', 'holdfast_delivery_expected_total', events),
          'written, {{path}}': rates('path', 'holdfast_delivery_written_total', events),
          'dropped, {{path}}, {{reason}}': rates('path, reason', 'holdfast_delivery_dropped_total', events),
        }),
        lines('Latency of events (p99)', 'By stage: commit, mirror, bus, fan-out, all together.', 's', {
          '{{stage}}': quantile(0.99, 'holdfast_delivery_latency', 'stage', events),
        }),
        lines(
          'Recoveries of durable channels',
          'Subscriptions that continue from a place, per second. Told ones have lost something for good.',
          'ops',
          { '{{outcome}} {{reason}}': rates('outcome, reason', 'holdfast_recoveries_total', events) },
        ),
        lines('Recovered', 'Publications that rode in replies of recoveries, per second.', 'mps', {
          '{{tier}}': rates('tier', 'holdfast_recovered_total'),
        }),
        lines('Acknowledged by cursors', 'Events per second that clients have acknowledged.', 'mps', {
          events: `sum(${rate('holdfast_acknowledged_total')})`,
        }),
        lines(
          'Cursors',
          'How many users have, and the events after the one that is furthest behind; by kind of cursor.',
          'short',
          {
            '{{namespace}} {{cursor}}': `max by (namespace, cursor) (${at('holdfast_cursors')})`,
            'behind, {{namespace}} {{cursor}}': `max by (namespace, cursor) (${at('holdfast_cursor_lag')})`,
          },
          { only: 'cursors of clients' },
        ),
      ],
    },
    behindTheLog,
    {
      title: 'Audit',
      panels: [
        lines(
          'Lost',
          'Acknowledged events that are missing.',
          'none',
          { '{{found}}': 'sum by (found) (holdfast_audit_lost)' },
          { bad: 1, width: 6 },
        ),
        lines(
          'Differences',
          'Copies that are not what the ledger says, by kind; per second.',
          'ops',
          { '{{kind}}': orNone(rates('kind', 'holdfast_audit_mismatches_total')) },
          { width: 6 },
        ),
        lines(
          'Compared',
          'Events per second.',
          'mps',
          { '{{what}}': rates('what', 'holdfast_audit_checked_total') },
          { width: 6 },
        ),
        lines(
          'Age of the audit',
          'Since when the auditor has been through everything.',
          's',
          { '{{scope}}': 'min by (scope) (holdfast_audit_age)' },
          { width: 6 },
        ),
      ],
    },
  ],
}
