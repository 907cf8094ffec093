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
 * What a consumer is said to be stays when it is gone itself. Only those that are there keep a row open. The order is one
 * that only the index of the open rows has: by the key, a plan without statistics walks through all that are not.
 */
export async function lookAtOpenRows(
  sql: Sql,
  table: string,
  mirrored: ReadonlyMap<number, number> | undefined,
  after: Place = { position: 0, partition: -1 },
): Promise<Place | undefined> {
  const reached = JSON.stringify(Object.fromEntries(mirrored ?? []))
  const [row] = await sql<{ looked: number; position: number | null; partition: number | null }[]>`
    with page as materialized (
      select t.ctid as place, t.partition, t.position, t.channel, t.id, t.consumers, t.mirrored, t.settled
      from ${sql(table)} as t
      where t.open and (t.position, t.partition) > (${after.position}::bigint, ${after.partition}::int)
      order by t.position, t.partition limit ${rowsPerPage}
    ), common as materialized (
      select l.epoch, now() as time, floor(extract(epoch from now()) * 1000)::bigint as ms,
             ${reached}::text::jsonb as reached
      from holdfast.ledger as l
    ), told as (
      select p.place, p.id, p.consumers || coalesce(s.consumers, '{}') as consumers, coalesce(s.owed, false) as owed,
             case when p.mirrored is null and p.position <= (n.reached ->> p.partition::text)::bigint then n.time
                  else p.mirrored end as mirrored
      from common as n
      cross join page as p
      cross join lateral (
        select jsonb_object_agg(c.consumer, jsonb_strip_nulls(jsonb_build_object(
                 'state', c.state, 'attempts', c.attempts,
                 'at', case when p.consumers -> c.consumer ->> 'state' = c.state
                            then (p.consumers -> c.consumer ->> 'at')::bigint else n.ms end
               ))) filter (where c.shown) as consumers,
               bool_or(c.state not in ('settled', 'done', 'discarded')) as owed
        from (
          select 'group/' || g.name as consumer,
                 coalesce(d.state, case when c.epoch = n.epoch and (p.position <= c.position or exists (
                                               select from holdfast.group_settled as s
                                               where s."group" = g.name and s.partition = p.partition
                                                 and s.position = p.position)) then 'settled'
                                        when g.paused then 'paused' else 'pending' end) as state,
                 d.attempts, g.name <> 'holdfast.jobs' as shown
          from holdfast.groups as g
          join holdfast.group_partitions as c on c."group" = g.name and c.partition = p.partition
          left join holdfast.deliveries as d
            on d.consumer = 'group/' || g.name and d.partition = p.partition and d.position = p.position
           and d.event_id = p.id
          where (g.namespaces is null or holdfast.namespace_of(p.channel) = any (g.namespaces))
            -- Its own builds: that the row is there says enough.
            and not starts_with(g.name, 'holdfast.projection-deliveries-')
          union all
          select d.consumer, d.state, d.attempts, true
          from holdfast.deliveries as d
          where d.event_id = p.id and d.channel = p.channel and starts_with(d.consumer, 'rule/')
        ) as c
      ) as s
    ), judged as (
      select t.*, t.owed or (t.mirrored is null and ${mirrored !== undefined}::boolean) as open from told as t
    ), written as (
      update ${sql(table)} as t
      set consumers = j.consumers, mirrored = j.mirrored, open = j.open,
          settled = case when j.owed then null else coalesce(t.settled, now()) end
      from judged as j
      where t.ctid = j.place and t.id = j.id
        and (t.consumers, t.mirrored, t.open, t.settled is null)
            is distinct from (j.consumers, j.mirrored, j.open, j.owed)
      returning 1
    )
    select (select count(*) from page) as looked, (select count(*) from written) as written, p.partition, p.position
    from (select) as one
    left join (select partition, position from page order by position desc, partition desc limit 1) as p on true`
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
