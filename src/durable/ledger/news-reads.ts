import type { StoredEvent } from '../../domain/index.ts'
import type { Sql } from '../../platform/index.ts'
import { intArray, textArray } from './array-literal.ts'
import type { ChannelPlace, PartitionRange } from './ledger.ts'
import type { Answered } from './reads.ts'
import { serverName } from './start-check.ts'

/** Which channels the events of some stretches belong to, and the last offset of each there; nothing of the events. */
export async function movedChannels(
  sql: Sql,
  ranges: readonly PartitionRange[],
): Promise<Answered<ReadonlyMap<string, number>>> {
  const moved = sql`
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
  const rows = await sql<(Witness & { channel: string | null; head: number })[]>`
    select b.epoch, b.server, m.channel, m.head from (${witness(sql)}) as b left join (${moved}) as m on true`
  const { epoch, server } = rows[0] ?? nobody
  const heads = rows.flatMap(({ channel, head }) => (channel === null ? [] : [[channel, head] as const]))
  return { epoch, server, answer: new Map(heads) }
}

/**
 * What many channels have after their places, in the order of the places and then of the offsets: of each at most
 * `perChannel` events, and of all together no further one behind `maxBytes` of data.
 */
export async function readAfter(
  sql: Sql,
  places: readonly (ChannelPlace & { readonly partition: number })[],
  { perChannel, maxBytes }: { readonly perChannel: number; readonly maxBytes: number },
): Promise<Answered<StoredEvent[]>> {
  const news = sql`
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
    where bytes_before < ${maxBytes}`
  const rows = await sql<(Witness & Omit<StoredEvent, 'channel' | 'partition'> & { nth: number | null })[]>`
    select b.epoch, b.server, n.* from (${witness(sql)}) as b left join (${news}) as n on true
    order by n.nth, n."offset"`
  const { epoch, server } = rows[0] ?? nobody
  const events = rows.flatMap(({ nth, position, offset, id, type, data, meta, time }) => {
    if (nth === null) return []
    const { channel, partition } = places[nth - 1] as ChannelPlace & { partition: number }
    return [{ channel, partition, position, offset, id, type, data, meta, time }]
  })
  return { epoch, server, answer: events }
}

/** Who answers, and for which epoch; in every row, so that an answer without any row has it too. */
interface Witness {
  readonly epoch: string | undefined
  readonly server: string | undefined
}

const nobody: Witness = { epoch: undefined, server: undefined }

function witness(sql: Sql) {
  return sql`select (select epoch from holdfast.ledger) as epoch, ${serverName(sql)} as server`
}
