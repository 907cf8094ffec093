import type { PoolUse } from '../durable/index.ts'
import { postgresCertificateSeconds, type Sql } from '../platform/index.ts'
import { type Metrics, metrics, type Reading } from '../telemetry/index.ts'
import type { OpenDurable } from './open-durable.ts'

/** What changes slowly, and costs more to ask for. */
const seldom = { sharedMs: 60_000, staleMs: 120_000 }
/** A certificate is not renewed more often. */
const hourly = { sharedMs: 3_600_000, staleMs: 7_200_000, restMs: 60_000, waitMs: 4_000 }

/** How Postgres fares, as it says itself, and this node's connections to it. */
export function registerPostgresMetrics(
  telemetry: Metrics,
  { sql, url, pools }: OpenDurable,
  more: () => readonly PoolUse[],
): void {
  const { postgresRtt, postgresConnections, postgresTransactionAge } = metrics
  telemetry.shared([postgresRtt, postgresConnections, postgresTransactionAge], () => readServer(sql))
  const { postgresStandbyLag, postgresStandbyLagSize } = metrics
  telemetry.shared([postgresStandbyLag, postgresStandbyLagSize], () => readStandbys(sql))
  const { postgresSize, postgresTableSize, postgresDeadTuples, postgresLiveTuples } = metrics
  telemetry.shared(
    [postgresSize, postgresTableSize, postgresDeadTuples, postgresLiveTuples],
    () => readSizes(sql),
    seldom,
  )
  telemetry.shared(
    [metrics.certificateExpiry],
    async () => {
      const value = await postgresCertificateSeconds(url)
      const attributes = { dependency: 'postgres' }
      return value === undefined ? [] : [{ metric: metrics.certificateExpiry, value, attributes }]
    },
    hourly,
  )
  const { postgresPoolConnections, postgresPoolWaiting } = metrics
  telemetry.gauges([postgresPoolConnections, postgresPoolWaiting], async () =>
    [...pools(), ...more()].flatMap(({ pool, limit, running }): Reading[] => [
      {
        metric: postgresPoolConnections,
        value: Math.min(running, limit),
        attributes: { pool, state: 'busy' },
      },
      { metric: postgresPoolConnections, value: limit, attributes: { pool, state: 'limit' } },
      { metric: postgresPoolWaiting, value: Math.max(0, running - limit), attributes: { pool } },
    ]),
  )
}

async function readServer(sql: Sql): Promise<readonly Reading[]> {
  const { postgresRtt, postgresConnections, postgresTransactionAge } = metrics
  const sentAt = performance.now()
  await sql`select 1`
  const rtt = (performance.now() - sentAt) / 1_000
  const [row] = await sql<{ used: number; limit: number; age: number }[]>`
    select count(*) filter (where backend_type = 'client backend' or backend_type is null) as used,
           current_setting('max_connections')::int as limit,
           coalesce(extract(epoch from max(clock_timestamp() - xact_start)
             filter (where datname = current_database() and pid <> pg_backend_pid())), 0)::float8 as age
    from pg_stat_activity`
  return [
    { metric: postgresRtt, value: rtt },
    ...(row
      ? [
          { metric: postgresConnections, value: row.used, attributes: { state: 'used' } },
          { metric: postgresConnections, value: row.limit, attributes: { state: 'limit' } },
          { metric: postgresTransactionAge, value: row.age },
        ]
      : []),
  ]
}

/** A standby that has everything says no lag at all; what the role may not see has no place either. */
async function readStandbys(sql: Sql): Promise<readonly Reading[]> {
  const { postgresStandbyLag, postgresStandbyLagSize } = metrics
  const rows = await sql<{ standby: string; seconds: number; bytes: number }[]>`
    select coalesce(nullif(application_name, ''), '(unnamed)') as standby,
           max(coalesce(extract(epoch from replay_lag), 0))::float8 as seconds,
           max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))::float8 as bytes
    from pg_stat_replication
    where not pg_is_in_recovery() and replay_lsn is not null
    group by 1`
  return rows.flatMap(({ standby, seconds, bytes }) => [
    { metric: postgresStandbyLag, value: seconds, attributes: { standby } },
    { metric: postgresStandbyLagSize, value: bytes, attributes: { standby } },
  ])
}

/** Read models live in schemas of their own: their tables are the application's, without a bound. */
async function readSizes(sql: Sql): Promise<readonly Reading[]> {
  const { postgresSize, postgresTableSize, postgresDeadTuples, postgresLiveTuples } = metrics
  const [database] = await sql<{ bytes: number }[]>`select pg_database_size(current_database()) as bytes`
  const tables = await sql<{ table: string; bytes: number; dead: number; live: number }[]>`
    select relname as "table", pg_total_relation_size(relid) as bytes, n_dead_tup as dead, n_live_tup as live
    from pg_stat_all_tables where schemaname = 'holdfast'`
  return [
    ...(database ? [{ metric: postgresSize, value: database.bytes }] : []),
    ...tables.flatMap(({ table, bytes, dead, live }) => [
      { metric: postgresTableSize, value: bytes, attributes: { table } },
      { metric: postgresDeadTuples, value: dead, attributes: { table } },
      { metric: postgresLiveTuples, value: live, attributes: { table } },
    ]),
  ]
}
