import { createOperations } from '../durable/index.ts'
import type { Sql } from '../platform/index.ts'
import type { ProjectionReport } from '../projections/index.ts'
import type { LagView, NodeView } from './wire-now.ts'

/** Lags that are shown; the furthest behind come first. */
const mostLags = 500

/** What Postgres knows of who is behind. `projections` reads them over the same connection. */
export async function storedLags(
  sql: Sql,
  projections: (sql: Sql) => Promise<readonly ProjectionReport[]>,
): Promise<readonly LagView[]> {
  const operations = createOperations(sql)
  const [groups, reports, outbox, jobs, cursors, standbys] = await Promise.all([
    operations.groups.list(),
    projections(sql),
    operations.outbox.status(),
    operations.jobs.counts(),
    operations.cursors.lags(),
    standbyLags(sql),
  ])
  const builds = reports.flatMap(({ name, builds: own }) => own.map(build => ({ name, ...build })))
  const ofProjections = new Set(builds.map(({ group }) => group))
  return [
    ...builds.map(
      ({ name, build, version, state, lag, paused, open }): LagView => ({
        part: 'projection',
        name: `${name} build ${build} (version ${version}, ${state})`,
        ...lag,
        note: noteOf({ paused, parked: open.parked }),
      }),
    ),
    ...groups
      .filter(({ name }) => !ofProjections.has(name))
      .map(
        ({ name, lag, paused, open, members }): LagView => ({
          part: 'group',
          name,
          ...lag,
          note: noteOf({ paused, parked: open.parked, idle: members === 0 }),
        }),
      ),
    {
      part: 'outbox',
      name: 'outbox',
      events: outbox.waiting,
      seconds: outbox.oldestSeconds,
      note: outbox.refused > 0 ? `${outbox.refused} refused` : null,
    },
    ...jobs.rules.map(
      ({ rule, queued, parked, overdueSeconds }): LagView => ({
        part: 'job',
        name: rule,
        events: queued,
        seconds: overdueSeconds,
        note: noteOf({ parked }),
      }),
    ),
    ...cursors.map(
      ({ namespace, cursor, count, maxLag }): LagView => ({
        part: 'cursor',
        name: `${namespace}/${cursor}`,
        events: maxLag,
        seconds: null,
        note: `${count} cursor(s)`,
      }),
    ),
    ...standbys,
  ]
}

/** None is told to a role that may not see them. */
async function standbyLags(sql: Sql): Promise<readonly LagView[]> {
  const rows = await sql<{ name: string; seconds: number }[]>`
    select coalesce(nullif(application_name, ''), '(unnamed)') as name,
           max(coalesce(extract(epoch from replay_lag), 0))::float8 as seconds
    from pg_stat_replication where not pg_is_in_recovery() and replay_lsn is not null group by 1`
  return rows.map(({ name, seconds }) => ({
    part: 'postgres_standby',
    name,
    events: null,
    seconds,
    note: null,
  }))
}

/** What nodes say of themselves. */
export function nodeLags(nodes: readonly NodeView[]): readonly LagView[] {
  return nodes
    .filter(({ heard }) => heard)
    .flatMap(({ sheet }): LagView[] => [
      { part: 'event_loop', name: sheet.name, events: null, seconds: sheet.eventLoopLag, note: null },
      ...(sheet.mirrorLag === null
        ? []
        : [{ part: 'mirror' as const, name: sheet.name, ...sheet.mirrorLag, note: null }]),
    ])
}

export function furthestFirst(lags: readonly LagView[]): readonly LagView[] {
  const order = (one: LagView, other: LagView) =>
    (other.seconds ?? 0) - (one.seconds ?? 0) || (other.events ?? 0) - (one.events ?? 0)
  return [...lags].sort(order).slice(0, mostLags)
}

function noteOf({
  paused,
  parked,
  idle,
}: {
  paused?: boolean
  parked?: number
  idle?: boolean
}): string | null {
  const notes = [
    ...(paused ? ['paused'] : []),
    ...(idle ? ['nobody works for it'] : []),
    ...(parked ? [`${parked} parked`] : []),
  ]
  return notes.length === 0 ? null : notes.join(', ')
}
