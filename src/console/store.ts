import type { Sql } from '../platform/index.ts'
import type { ReadOnly } from './switches.ts'
import type { ActView, Mark } from './wire-common.ts'
import type { NodeSheet } from './wire-now.ts'

/** The statements of the console's own tables. Each is one of `PostgresSource.run`. */

const now = (sql: Sql) => sql`floor(extract(epoch from clock_timestamp()) * 1000)::bigint`

/** Sheets that are kept of nodes which no longer live. */
const keptSheetsMs = 3_600_000

export async function writeSheet(sql: Sql, sheet: NodeSheet): Promise<void> {
  const text = JSON.stringify(sheet)
  await sql`
    insert into holdfast.node_sheets as s (node, time, sheet) values (${sheet.id}, ${now(sql)}, ${text})
    on conflict (node) do update set time = excluded.time, sheet = excluded.sheet`
}

export async function removeSheet(sql: Sql, node: string): Promise<void> {
  await sql`delete from holdfast.node_sheets where node = ${node}`
}

/** What nodes have written lately, with its age by the clock of Postgres. */
export async function readSheets(
  sql: Sql,
  withinMs: number,
): Promise<readonly { node: string; ageMs: number; sheet: string }[]> {
  return sql<{ node: string; ageMs: number; sheet: string }[]>`
    select node, greatest(0, ${now(sql)} - time) as "ageMs", sheet from holdfast.node_sheets
    where time > ${now(sql)} - ${withinMs}::bigint order by time desc limit 1000`
}

export async function readSwitches(sql: Sql): Promise<ReadonlyMap<string, ReadOnly>> {
  const rows = await sql<(ReadOnly & { namespace: string })[]>`
    select namespace, since, by, reason from holdfast.namespace_switches where read_only`
  return new Map(rows.map(({ namespace, ...rest }) => [namespace, rest]))
}

/** False where it was so already. */
export async function writeSwitch(
  sql: Sql,
  {
    namespace,
    readOnly,
    by,
    reason,
  }: { namespace: string; readOnly: boolean; by: string; reason: string | null },
): Promise<boolean> {
  // The act in the statement that does it: there is none without the other.
  const [row] = await sql<{ changed: boolean }[]>`
    with changed as (
      insert into holdfast.namespace_switches as s (namespace, read_only, since, by, reason)
      select ${namespace}, ${readOnly}, ${now(sql)}, ${by}, ${reason}::text
      where ${readOnly} or exists (select from holdfast.namespace_switches where namespace = ${namespace})
      on conflict (namespace) do update
      set read_only = excluded.read_only, since = excluded.since, by = excluded.by, reason = excluded.reason
      where s.read_only <> excluded.read_only
      returning s.namespace
    ), recorded as (
      insert into holdfast.acts (time, actor, act, target, reason)
      select ${now(sql)}, ${by}, ${readOnly ? 'make_read_only' : 'make_writable'}, 'namespace ' || namespace, ${reason}::text
      from changed
    )
    select exists (select from changed) as changed`
  return row?.changed ?? false
}

export async function writeMarks(sql: Sql, marks: readonly Mark[]): Promise<void> {
  const rows = JSON.stringify(marks.map(mark => ({ ...mark, details: JSON.stringify(mark.details) })))
  await sql`
    insert into holdfast.marks (id, time, kind, node, says, details)
    select m.id, m.time, m.kind, m.node, m.says, m.details
    from json_to_recordset(${rows}::text::json)
         as m (id text, time bigint, kind text, node text, says text, details text)
    on conflict (id) do nothing`
}

export interface MarksQuery {
  readonly before?: number | undefined
  readonly kind?: string | undefined
  readonly limit: number
}

/** Acts that concern one delivery or one event each are told of by the audit log: here they would bury the others. */
const singleActs = [
  'redrive',
  'discard',
  'retry_outbox',
  'discard_outbox',
  'erase',
  'tail',
  'read_event',
  'read_history',
]

/** What has changed by itself and what people have done, as one story; the newest first. */
export async function readMarks(sql: Sql, { before, kind, limit }: MarksQuery): Promise<readonly Mark[]> {
  const until = before ?? Number.MAX_SAFE_INTEGER
  const switched = sql`case when act like 'switch%projection%' then 'projection_switched' else 'act' end`
  const rows = await sql<(Omit<Mark, 'details'> & { details: string })[]>`
    (select id, time, kind, node, says, details from holdfast.marks
     where time < ${until}::bigint ${kind === undefined ? sql`` : sql`and kind = ${kind}`}
     order by time desc, id limit ${limit})
    union all
    (select 'act/' || id as id, time, ${switched} as kind, null as node,
            actor || ': ' || replace(act, '_', ' ') || ' ' || target
              || case when outcome is null or outcome = 'done' then '' else ' (' || outcome || ')' end as says,
            json_build_object('actor', actor, 'act', act, 'target', target, 'reason', reason)::text as details
     from holdfast.acts
     where time < ${until}::bigint and act <> all (${`{${singleActs.join(',')}}`}::text[])
       ${kind === undefined ? sql`` : sql`and ${switched} = ${kind}`}
     order by id desc limit ${limit})
    order by time desc, id limit ${limit}`
  return rows.map(({ details, ...mark }) => ({ ...mark, details: JSON.parse(details) as Mark['details'] }))
}

const latestLossesAtMost = 20

/** What auditors have found missing; the newest first. */
export async function latestLosses(sql: Sql): Promise<readonly Mark[]> {
  const rows = await sql<(Omit<Mark, 'details'> & { details: string })[]>`
    select id, time, kind, node, says, details from holdfast.marks
    where kind = 'audit' order by time desc limit ${latestLossesAtMost}`
  return rows.map(({ details, ...mark }) => ({ ...mark, details: JSON.parse(details) as Mark['details'] }))
}

/** How the node was configured that was started last, before this one. */
export async function latestStart(sql: Sql): Promise<{ version: string; config: string } | undefined> {
  const [row] = await sql<{ details: string }[]>`
    select details from holdfast.marks where kind = 'node_started' order by time desc limit 1`
  return row && (JSON.parse(row.details) as { version: string; config: string })
}

export interface RecordedAct {
  readonly time: number
  readonly actor: string
  readonly act: string
  readonly target: string
  readonly reason: string | null
  readonly outcome: string
}

export async function writeActs(sql: Sql, acts: readonly RecordedAct[]): Promise<void> {
  await sql`
    insert into holdfast.acts (time, actor, act, target, reason, outcome)
    select a.time, a.actor, a.act, a.target, a.reason, a.outcome
    from json_to_recordset(${JSON.stringify(acts)}::text::json)
         as a (time bigint, actor text, act text, target text, reason text, outcome text)`
}

export interface ActsQuery {
  readonly before?: number | undefined
  readonly actor?: string | undefined
  readonly target?: string | undefined
  readonly limit: number
}

/** The newest first. */
export async function readActs(
  sql: Sql,
  { before, actor, target, limit }: ActsQuery,
): Promise<readonly ActView[]> {
  return sql<ActView[]>`
    select id, time, actor, act, target, reason, coalesce(outcome, 'done') as outcome from holdfast.acts
    where id < ${before ?? Number.MAX_SAFE_INTEGER}::bigint
      ${actor === undefined ? sql`` : sql`and strpos(actor, ${actor}) > 0`}
      ${target === undefined ? sql`` : sql`and strpos(target, ${target}) > 0`}
    order by id desc limit ${limit}`
}

/** Rows of one statement. */
const cleanedAtOnce = 10_000

/** Takes away what nobody compares with any more. Any node does it; what another has taken is gone. */
export async function clean(sql: Sql, keepDays: number): Promise<void> {
  const since = sql`${now(sql)} - ${keepDays * 86_400_000}::bigint`
  await sql`
    delete from holdfast.node_minutes where ctid = any (array(
      select ctid from holdfast.node_minutes where minute < ${since} limit ${cleanedAtOnce}))`
  await sql`
    delete from holdfast.node_minute_ends where ctid = any (array(
      select ctid from holdfast.node_minute_ends where minute < ${since} limit ${cleanedAtOnce}))`
  await sql`
    delete from holdfast.marks where ctid = any (array(
      select ctid from holdfast.marks where time < ${since} limit ${cleanedAtOnce}))`
  await sql`delete from holdfast.node_sheets where time < ${now(sql)} - ${keptSheetsMs}::bigint`
}
