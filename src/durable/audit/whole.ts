import type { Sql } from '../../platform/index.ts'
import type { LostEvent, PartitionAudit } from './types.ts'

const mostNamed = 100

/**
 * Counts a whole partition, through its index alone. Each event has taken one offset of its channel and one position of its
 * partition, and retention remembers both: so of each channel there are as many events as lie between its floor and its head,
 * and the heads of all channels make the head of the partition. What is missing in the latter was the last of its channel,
 * whose number another event may have got since.
 */
export async function auditWhole(
  sql: Sql,
  partition: number,
  /** In another one there is nothing to be said. */
  expected: string,
): Promise<PartitionAudit | undefined> {
  const [row] = await sql<
    {
      epoch: string | null
      events: number
      head: number
      heads: number
      missing: number
      holes: { channel: string; missing: number; floor: number; head: number }[] | null
    }[]
  >`
    with present as (
      select channel, max("offset") as hi, count(*) as n from holdfast.events
      where partition = ${partition} group by channel
    ), counted as (
      select coalesce(c.channel, f.channel) as channel, coalesce(c.n, 0) as n, coalesce(f.floor, 0) as floor,
             greatest(c.hi, f.head, 0) as head
      from present as c
      full join (select * from holdfast.channel_floor where partition = ${partition}) as f on f.channel = c.channel
    )
    select (select epoch from holdfast.ledger where not pg_is_in_recovery()) as epoch,
           coalesce(sum(n), 0)::bigint as events, coalesce(sum(head), 0)::bigint as heads,
           coalesce(sum(head - floor - n), 0)::bigint as missing,
           greatest((select position from holdfast.events where partition = ${partition} order by position desc limit 1),
                    (select head from holdfast.partition_floor where partition = ${partition}), 0) as head,
           (select json_agg(h) from (
              select channel, head - floor - n as missing, floor, head from counted
              where head - floor <> n order by 2 desc limit ${mostNamed}) as h) as holes
    from counted`
  if (row?.epoch !== expected) return undefined
  const { events, head, heads, missing, holes } = row
  const lost = (holes ?? []).map(
    (hole): LostEvent => ({
      partition,
      channel: hole.channel,
      offset: undefined,
      position: undefined,
      says: `${hole.missing} of the events ${hole.floor + 1} to ${hole.head} of its channel are missing`,
    }),
  )
  const ends = Math.max(0, head - heads)
  if (ends > 0) {
    const says = `${ends} of ${head} positions belong to no channel: they were the last ones of their channels`
    lost.push({ partition, channel: undefined, offset: undefined, position: undefined, says })
  }
  const lostCount = Math.max(0, missing) + ends
  return { partition, scope: 'whole', lost, lostCount, differences: [], checked: { ledger: events } }
}
