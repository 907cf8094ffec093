import type { Sql } from '../../platform/index.ts'
import { textArray } from '../ledger/array-literal.ts'

/** What a new epoch has meant for those who follow the ledger. */
export interface NewEpoch {
  readonly epoch: string
  readonly previous: string
  /** Cursors whose places now count for nothing. */
  readonly cursors: number
  /** Groups that stood above the ledger's heads, and by how many positions they were set back. */
  readonly groups: readonly { readonly name: string; readonly setBack: number }[]
  /** Open deliveries of events that the ledger does not have, by consumer: they were removed. */
  readonly deliveries: readonly { readonly consumer: string; readonly removed: number }[]
}

/**
 * Begins another life of the ledger's numbering, and writes down who did it and what it came to. It locks all partitions, so
 * it is one statement: a caller that stands still between two would stop the appends of all nodes.
 */
export async function beginEpoch(
  sql: Sql,
  { actor, reason }: { readonly actor: string; readonly reason?: string | undefined },
): Promise<NewEpoch> {
  const [ledger] = await sql<{ epoch: string }[]>`select epoch from holdfast.ledger`
  const [cursors] = await sql<{ count: number }[]>`select count(*) as count from holdfast.cursors`
  const groups = await groupsAhead(sql)
  const deliveries = await deliveriesAhead(sql)
  const previous = ledger?.epoch ?? ''
  const told = `after ${previous}${reason === undefined ? '' : `: ${reason}`}`
  const names = groups.map(({ name }) => `group ${name}`)
  const setBack = groups.map(each => `set back by ${each.setBack} positions, in the epoch `)
  const [begun] = await sql<{ epoch: string }[]>`
    with begun as materialized (select holdfast.new_epoch() as epoch),
    acts as (
      select 'ledger ' || epoch as target, ${told}::text as told from begun
      union all
      select g.name, g.told || epoch
      from begun cross join unnest(${textArray(names, one => one)}::text[],
                                   ${textArray(setBack, one => one)}::text[]) as g (name, told)
    ),
    written as (
      insert into holdfast.acts (time, actor, act, target, reason)
      select floor(extract(epoch from clock_timestamp()) * 1000), ${actor}, 'new_epoch', target, told from acts
    )
    select epoch from begun`
  return { epoch: begun?.epoch ?? '', previous, cursors: cursors?.count ?? 0, groups, deliveries }
}

function groupsAhead(sql: Sql): Promise<NewEpoch['groups']> {
  return sql<{ name: string; setBack: number }[]>`
    select g."group" as name, sum(g.position - h.head)::bigint as "setBack"
    from holdfast.group_partitions as g
    cross join lateral (select holdfast.partition_head(g.partition) as head) as h
    where g.position > h.head
    group by g."group" order by g."group"`
}

/** Along the key, from each head on: what lies below may be millions. */
function deliveriesAhead(sql: Sql): Promise<NewEpoch['deliveries']> {
  return sql<{ consumer: string; removed: number }[]>`
    select c.consumer, count(*) as removed
    from (select 'group/' || name as consumer from holdfast.groups
          union all select 'rule/' || name from holdfast.job_rules) as c
    cross join holdfast.ledger as l
    cross join lateral generate_series(0, l.partitions - 1) as p (partition)
    cross join lateral (select holdfast.partition_head(p.partition) as head) as h
    join holdfast.deliveries as d
      on d.consumer = c.consumer and d.partition = p.partition and d.position > h.head
    group by c.consumer order by c.consumer`
}
