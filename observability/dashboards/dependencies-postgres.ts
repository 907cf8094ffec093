import { roomOnDisks } from '../disks.ts'
import { at, lines, quantile, type Section } from './panel.ts'

/** Every node reads the same of the server, so the largest reading is the one. */
const max = (metric: string) => `max(${at(metric)})`
const maxBy = (by: string, metric: string) => `max by (${by}) (${at(metric)})`

export const postgres: Section = {
  title: 'Postgres',
  panels: [
    lines('Postgres: time of a statement', 'Of a smallest one, from each node.', 's', {
      '{{instance}}': at('holdfast_postgres_rtt'),
    }),
    lines(
      'Postgres: commits (p99)',
      'Of the ledger, from each node.',
      's',
      { '{{instance}}': quantile(0.99, 'holdfast_append_commit_duration', 'instance') },
      { bad: 0.5 },
    ),
    lines('Postgres: pools', 'Connections of all nodes, by pool: busy, and how many there may be.', 'short', {
      '{{pool}} {{state}}': `sum by (pool, state) (${at('holdfast_postgres_pool_connections')})`,
    }),
    lines('Postgres: waiting', 'Statements that wait for a connection, by pool.', 'short', {
      '{{pool}}': `sum by (pool) (${at('holdfast_postgres_pool_waiting')})`,
    }),
    lines('Postgres: connections', 'Of the server: taken by anybody, and how many there may be.', 'short', {
      '{{state}}': maxBy('state', 'holdfast_postgres_connections'),
    }),
    lines('Postgres: size', 'Of the database, and of each table with its indexes.', 'bytes', {
      database: max('holdfast_postgres_size'),
      '{{table}}': maxBy('table', 'holdfast_postgres_table_size'),
    }),
    lines(
      'Disks: room left',
      'Share of each disk of the machines that are watched. Postgres takes no writes when its own is full.',
      'percentunit',
      { '{{instance}} {{device}}': roomOnDisks.share },
      { badBelow: 0.1, most: 1, only: 'node_exporter' },
    ),
    lines('Postgres: rows', 'As Postgres estimates.', 'short', {
      '{{table}}': maxBy('table', 'holdfast_postgres_live_tuples'),
    }),
    lines('Postgres: dead rows', 'Not vacuumed yet, as Postgres estimates.', 'short', {
      '{{table}}': maxBy('table', 'holdfast_postgres_dead_tuples'),
    }),
    lines(
      'Postgres: oldest transaction',
      'It keeps dead rows from being vacuumed.',
      's',
      { oldest: max('holdfast_postgres_transaction_age') },
      { bad: 3_600 },
    ),
    lines(
      'Postgres: standbys behind',
      'What a failover now would lose, where the standby is asynchronous.',
      's',
      { '{{standby}}': maxBy('standby', 'holdfast_postgres_standby_lag') },
      { bad: 30, only: 'a standby' },
    ),
    lines(
      'Postgres: standbys behind, bytes',
      'What each has not replayed yet.',
      'bytes',
      { '{{standby}}': maxBy('standby', 'holdfast_postgres_standby_lag_size') },
      { only: 'a standby' },
    ),
  ],
}
