import type { StoredEvent } from '../../domain/index.ts'
import type { Sql } from '../../platform/index.ts'
import { intArray, textArray } from './array-literal.ts'
import type { ChannelPlace, PartitionRange } from './ledger.ts'

/** Which channels the events of some stretches belong to, and the last offset of each there; nothing of the events. */
export async function movedChannels(
  sql: Sql,
  ranges: readonly PartitionRange[],
): Promise<ReadonlyMap<string, number>> {
  const rows = await sql<{ channel: string; head: number }[]>`
    select e.channel, max(e."offset") as head
    from unnest(${intArray(ranges, range => range.partition)}::int[],
                ${intArray(ranges, range => range.after)}::bigint[],
                ${intArray(ranges, range => range.through)}::bigint[]) as t (partition, after, through)
    cross join lateral (
      select w.channel, w."offset" from holdfast.events as w
      where w.partition = t.partition and w.position > t.after and w.position <= t.through
      offset 0
    ) as e
    group by e.channel`
  return new Map(rows.map(({ channel, head }) => [channel, head]))
}

/**
 * What many channels have after their places, in the order of the places and then of the offsets: of each at most
 * `perChannel` events, and of all together no further one behind `maxBytes` of data.
 */
export async function readAfter(
  sql: Sql,
  places: readonly (ChannelPlace & { readonly partition: number })[],
  { perChannel, maxBytes }: { readonly perChannel: number; readonly maxBytes: number },
): Promise<StoredEvent[]> {
  const rows = await sql<(Omit<StoredEvent, 'channel' | 'partition'> & { nth: number })[]>`
    select nth, position, "offset", id, type, data, meta, time
    from (
      select t.nth, e.*, sum(octet_length(e.data)) over (order by t.nth, e."offset" rows unbounded preceding)
                         - octet_length(e.data) as bytes_before
      from unnest(${intArray(places, place => place.partition)}::int[],
                  ${textArray(places, place => place.channel)}::text[],
                  ${intArray(places, place => place.since)}::bigint[])
           with ordinality as t (partition, channel, since, nth)
      cross join lateral (
        select w.position, w."offset", w.id, w.type, w.data, w.meta, w.time from holdfast.events as w
        where w.partition = t.partition and w.channel = t.channel and w."offset" > t.since
        order by w."offset" limit ${perChannel}
      ) as e
    ) as measured
    where bytes_before < ${maxBytes}
    order by nth, "offset"`
  return rows.map(({ nth, ...event }) => {
    const { channel, partition } = places[nth - 1] as ChannelPlace & { partition: number }
    return { channel, partition, ...event }
  })
}
