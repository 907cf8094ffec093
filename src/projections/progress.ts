import type { Sql, Transaction } from '../platform/index.ts'
import type { Build } from './types.ts'

export interface BuildProgress {
  /** Events that are settled, or not wanted, of all that the ledger has. */
  readonly done: number
  readonly total: number
  /** At the head, less than a second behind it, or no further behind than the build that readers see. */
  readonly caughtUp: boolean
  /** In no partition is it behind the build that readers see. */
  readonly ahead: boolean
  /** Channels that are parked or tried again here, and not in the build that readers see. */
  readonly stuck: number
}

/** How far behind its head a partition may be. */
const closeMs = 1_000

/** Undefined while its group is not known to the ledger. */
export async function buildProgress(
  sql: Sql | Transaction,
  build: Pick<Build, 'group'>,
  active: Pick<Build, 'group'> | undefined,
): Promise<BuildProgress | undefined> {
  const other = active?.group ?? ''
  const [row] = await sql<(Omit<BuildProgress, 'stuck'> & { stuck: number; places: number })[]>`
    with places as (
      select g.partition, g.position, h.head, a.position as active
      from holdfast.ledger as l
      cross join generate_series(0, l.partitions - 1) as p
      cross join lateral (select holdfast.partition_head(p) as head) as h
      join holdfast.group_partitions as g on g."group" = ${build.group} and g.partition = p
      left join holdfast.group_partitions as a on a."group" = ${other} and a.partition = p
    )
    select count(*) as places, coalesce(sum(least(p.position, p.head)), 0)::bigint as done,
           coalesce(sum(p.head), 0)::bigint as total,
           coalesce(bool_and(p.position >= p.head or p.position >= p.active or (
             select e.time > extract(epoch from clock_timestamp()) * 1000 - ${closeMs}::int
             from holdfast.events as e where e.partition = p.partition and e.position > p.position
             order by e.position limit 1)), false) as "caughtUp",
           coalesce(bool_and(p.position >= coalesce(p.active, 0)), false) as ahead,
           (select count(distinct d.channel) from holdfast.deliveries as d
            where d.consumer = ${`group/${build.group}`} and d.state in ('waiting', 'retrying', 'queued', 'parked')
              and not exists (
                select from holdfast.deliveries as o
                where o.partition = d.partition and o.channel = d.channel and o.consumer = ${`group/${other}`}
                  and o.state in ('waiting', 'retrying', 'queued', 'parked'))) as stuck
    from places as p`
  if (!row || row.places === 0) return undefined
  const { done, total, caughtUp, ahead, stuck } = row
  return { done, total, caughtUp: caughtUp === true, ahead, stuck }
}

/**
 * Channels of a group's namespaces of which retention has removed events: what is built from now on lacks what those have
 * told. Undefined while the group is not known to the ledger.
 */
export async function cutChannels(sql: Sql | Transaction, group: string): Promise<number | undefined> {
  const [row] = await sql<{ count: number }[]>`
    select count(f.channel) as count from holdfast.groups as g
    left join holdfast.channel_floor as f
      on f.floor > 0 and (g.namespaces is null or holdfast.namespace_of(f.channel) = any (g.namespaces))
    where g.name = ${group} group by g.name`
  return row?.count
}
