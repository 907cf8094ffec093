import { type Sql, type Transaction, transaction } from '../../platform/index.ts'

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

/** Begins another life of the ledger's numbering, and writes down who did it and what it came to. */
export function beginEpoch(
  sql: Sql,
  { actor, reason }: { readonly actor: string; readonly reason?: string | undefined },
): Promise<NewEpoch> {
  return transaction(sql, async tx => {
    const [ledger] = await tx<{ epoch: string }[]>`select epoch from holdfast.ledger`
    const [cursors] = await tx<{ count: number }[]>`select count(*) as count from holdfast.cursors`
    const groups = await groupsAhead(tx)
    const deliveries = await deliveriesAhead(tx)
    const [begun] = await tx<{ epoch: string }[]>`select holdfast.new_epoch() as epoch`
    const [epoch, previous] = [begun?.epoch ?? '', ledger?.epoch ?? '']
    const acts = [
      { target: `ledger ${epoch}`, told: `after ${previous}${reason === undefined ? '' : `: ${reason}`}` },
      ...groups.map(({ name, setBack }) => ({
        target: `group ${name}`,
        told: `set back by ${setBack} positions, in the epoch ${epoch}`,
      })),
    ]
    for (const { target, told } of acts)
      await tx`
        insert into holdfast.acts (time, actor, act, target, reason)
        values (floor(extract(epoch from clock_timestamp()) * 1000), ${actor}, 'new_epoch', ${target}, ${told})`
    return { epoch, previous, cursors: cursors?.count ?? 0, groups, deliveries }
  })
}

function groupsAhead(tx: Transaction): Promise<NewEpoch['groups']> {
  return tx<{ name: string; setBack: number }[]>`
    select g."group" as name, sum(g.position - h.head)::bigint as "setBack"
    from holdfast.group_partitions as g
    cross join lateral (select holdfast.partition_head(g.partition) as head) as h
    where g.position > h.head
    group by g."group" order by g."group"`
}

/** Along the key, from each head on: what lies below may be millions. */
function deliveriesAhead(tx: Transaction): Promise<NewEpoch['deliveries']> {
  return tx<{ consumer: string; removed: number }[]>`
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
