import type { Sql } from '../platform/index.ts'
import type { Minute } from './rate-book.ts'
import type { RateName } from './wire-common.ts'

const columns: readonly (readonly [RateName, string])[] = [
  ['published.realtime', 'published_realtime'],
  ['published.durable', 'published_durable'],
  ['refused', 'refused'],
  ['delivered.realtime', 'delivered_realtime'],
  ['delivered.durable', 'delivered_durable'],
  ['dropped', 'dropped'],
  ['connects', 'connects'],
  ['disconnects', 'disconnects'],
  ['probe.failures', 'probe_failures'],
]

/** One step of a series: counts over all nodes, null where none counted. */
export interface Step {
  readonly at: number
  readonly counts: Readonly<Partial<Record<RateName, number | null>>>
  readonly connections: number | null
}

/** Written again and again while a minute is under way: the last one counts. */
export async function writeMinutes(sql: Sql, node: string, minutes: readonly Minute[]): Promise<void> {
  const rows = minutes.map(({ minute, counts, connections }) => ({
    ...{ minute, node, connections },
    ...Object.fromEntries(columns.map(([name, column]) => [column, counts[name] ?? null])),
  }))
  await sql`
    insert into holdfast.node_minutes (
      minute, node, connections, published_realtime, published_durable, refused, delivered_realtime, delivered_durable,
      dropped, connects, disconnects, probe_failures)
    select minute, node, connections, published_realtime, published_durable, refused, delivered_realtime,
           delivered_durable, dropped, connects, disconnects, probe_failures
    from json_to_recordset(${JSON.stringify(rows)}::text::json) as m (
      minute bigint, node text, connections int, published_realtime bigint, published_durable bigint, refused bigint,
      delivered_realtime bigint, delivered_durable bigint, dropped bigint, connects bigint, disconnects bigint,
      probe_failures bigint)
    on conflict (minute, node) do update set
      connections = excluded.connections, published_realtime = excluded.published_realtime,
      published_durable = excluded.published_durable, refused = excluded.refused,
      delivered_realtime = excluded.delivered_realtime, delivered_durable = excluded.delivered_durable,
      dropped = excluded.dropped, connects = excluded.connects, disconnects = excluded.disconnects,
      probe_failures = excluded.probe_failures`
  const ends = minutes.flatMap(({ minute, ends: byCode }) =>
    Object.entries(byCode).flatMap(([code, count]) => (count > 0 ? [{ minute, node, code, count }] : [])),
  )
  if (ends.length === 0) return
  await sql`
    insert into holdfast.node_minute_ends (minute, node, code, count)
    select e.minute, e.node, e.code, e.count
    from json_to_recordset(${JSON.stringify(ends)}::text::json)
         as e (minute bigint, node text, code text, count bigint)
    on conflict (minute, node, code) do update set count = excluded.count`
}

/** From a time to another (exclusive), in steps; those of which nothing is known are left out. */
export async function readSteps(
  sql: Sql,
  { from, to, stepMs }: { from: number; to: number; stepMs: number },
): Promise<readonly Step[]> {
  const rows = await sql<Record<string, number | null>[]>`
    select step as at, sum(connections)::bigint as connections,
           sum(published_realtime)::bigint as published_realtime, sum(published_durable)::bigint as published_durable,
           sum(refused)::bigint as refused, sum(delivered_realtime)::bigint as delivered_realtime,
           sum(delivered_durable)::bigint as delivered_durable, sum(dropped)::bigint as dropped,
           sum(connects)::bigint as connects, sum(disconnects)::bigint as disconnects,
           sum(probe_failures)::bigint as probe_failures
    from (
      select minute - (minute - ${from}::bigint) % ${stepMs}::bigint as step, node, avg(connections) as connections,
             sum(published_realtime) as published_realtime, sum(published_durable) as published_durable,
             sum(refused) as refused, sum(delivered_realtime) as delivered_realtime,
             sum(delivered_durable) as delivered_durable, sum(dropped) as dropped, sum(connects) as connects,
             sum(disconnects) as disconnects, sum(probe_failures) as probe_failures
      from holdfast.node_minutes where minute >= ${from}::bigint and minute < ${to}::bigint
      group by 1, 2
    ) as n
    group by step order by step`
  return rows.map(row => ({
    at: row['at'] ?? 0,
    counts: Object.fromEntries(columns.map(([name, column]) => [name, row[column] ?? null])),
    connections: row['connections'] ?? null,
  }))
}

/** By code, over all nodes. */
export async function readEnds(
  sql: Sql,
  { from, to }: { from: number; to: number },
): Promise<Readonly<Record<string, number>>> {
  const rows = await sql<{ code: string; count: number }[]>`
    select code, sum(count)::bigint as count from holdfast.node_minute_ends
    where minute >= ${from}::bigint and minute < ${to}::bigint group by code`
  return Object.fromEntries(rows.map(({ code, count }) => [code, count]))
}
