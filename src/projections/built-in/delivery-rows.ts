import type { Sql } from '../../platform/index.ts'

/** Where a walk through the open rows of a table goes on. */
export interface Place {
  readonly partition: number
  readonly position: number
}

const rowsPerPage = 1_000

/**
 * Looks how consumers stand to the next open rows of a table, and writes what has changed. Returns where to go on;
 * undefined at the end.
 *
 * What a consumer is said to be stays when it is gone itself. Only those that are there keep a row open.
 */
export async function lookAtOpenRows(
  sql: Sql,
  table: string,
  mirrored: ReadonlyMap<number, number> | undefined,
  after: Place = { partition: -1, position: 0 },
): Promise<Place | undefined> {
  const reached = JSON.stringify([...(mirrored ?? [])].map(([partition, last]) => ({ partition, last })))
  const [row] = await sql<{ looked: number; partition: number | null; position: number | null }[]>`
    with page as materialized (
      select t.partition, t.position, t.channel, t.id, t.consumers, t.mirrored
      from ${sql(table)} as t
      where t.open and (t.partition, t.position) > (${after.partition}::int, ${after.position}::bigint)
      order by t.partition, t.position limit ${rowsPerPage}
    ), stands as (
      select p.partition, p.position, 'group/' || g.name as consumer,
             coalesce(d.state, case when c.epoch = l.epoch and (p.position <= c.position or exists (
                                           select from holdfast.group_settled as s
                                           where s."group" = g.name and s.partition = p.partition
                                             and s.position = p.position)) then 'settled'
                                    when g.paused then 'paused' else 'pending' end) as state,
             d.attempts, g.name <> 'holdfast.jobs' as shown
      from page as p
      cross join holdfast.ledger as l
      join holdfast.groups as g
        on (g.namespaces is null or holdfast.namespace_of(p.channel) = any (g.namespaces))
       -- Its own builds: that the row is there says enough.
       and not starts_with(g.name, 'holdfast.projection-deliveries-')
      join holdfast.group_partitions as c on c."group" = g.name and c.partition = p.partition
      left join holdfast.deliveries as d
        on d.consumer = 'group/' || g.name and d.partition = p.partition and d.position = p.position
       and d.event_id = p.id
      union all
      select p.partition, p.position, d.consumer, d.state, d.attempts, true
      from page as p join holdfast.deliveries as d
        on d.event_id = p.id and d.channel = p.channel and starts_with(d.consumer, 'rule/')
    ), told as (
      select p.partition, p.position,
             p.consumers || coalesce(jsonb_object_agg(s.consumer, jsonb_strip_nulls(jsonb_build_object(
               'state', s.state, 'attempts', s.attempts,
               'at', case when p.consumers -> s.consumer ->> 'state' = s.state
                          then (p.consumers -> s.consumer ->> 'at')::bigint else n.ms end
             ))) filter (where s.shown), '{}') as consumers,
             coalesce(bool_or(s.state not in ('settled', 'done', 'discarded')), false) as owed,
             case when p.mirrored is null and p.position <= r.last then n.time else p.mirrored end as mirrored
      from page as p
      cross join (select now() as time, floor(extract(epoch from now()) * 1000)::bigint as ms) as n
      left join jsonb_to_recordset(${reached}::text::jsonb) as r (partition int, last bigint)
        on r.partition = p.partition
      left join stands as s on s.partition = p.partition and s.position = p.position
      group by p.partition, p.position, p.consumers, p.mirrored, n.time, n.ms, r.last
    ), judged as (
      select t.*, t.owed or (t.mirrored is null and ${mirrored !== undefined}::boolean) as open from told as t
    ), written as (
      update ${sql(table)} as t
      set consumers = j.consumers, mirrored = j.mirrored, open = j.open,
          settled = case when j.owed then null else coalesce(t.settled, now()) end
      from judged as j, page as p
      where t.partition = j.partition and t.position = j.position
        and p.partition = j.partition and p.position = j.position and t.id = p.id
        and (t.consumers, t.mirrored, t.open, t.settled is null)
            is distinct from (j.consumers, j.mirrored, j.open, j.owed)
      returning 1
    )
    select (select count(*) from page) as looked, p.partition, p.position, (select count(*) from written) as written
    from (select) as one
    left join (select partition, position from page order by partition desc, position desc limit 1) as p on true`
  if (!row || row.looked < rowsPerPage || row.partition === null || row.position === null) return undefined
  return { partition: row.partition, position: row.position }
}

/** Removes some rows of events that are older than this, open ones too. True: there may be more. */
export async function removeOldRows(sql: Sql, table: string, keepSeconds: number): Promise<boolean> {
  const gone = await sql`
    delete from ${sql(table)} where ctid in (
      select ctid from ${sql(table)} where recorded < now() - make_interval(secs => ${keepSeconds})
      limit ${rowsPerPage})`
  return gone.count === rowsPerPage
}
