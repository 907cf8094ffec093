import type { StoredEvent } from '../../domain/index.ts'
import type { Sql } from '../../platform/index.ts'
import { intArray, textArray } from './array-literal.ts'
import type { ChannelHead, ChannelPage, ChannelRequest, PartitionPage } from './ledger.ts'
import { type ServerKind, serverKind } from './server-kind.ts'
import { serverName } from './start-check.ts'

/** An answer together with the epoch it belongs to, and the start of the server that has given it. */
export interface Heads<K, V> {
  readonly epoch: string | undefined
  readonly server: string | undefined
  readonly heads: ReadonlyMap<K, V>
}

export interface Answered<T> {
  readonly epoch: string | undefined
  readonly server: string | undefined
  readonly answer: T
}

type SqlFragment = Parameters<Sql>[1]

type ChannelRow = Omit<StoredEvent, 'channel' | 'partition' | 'offset'> &
  ChannelHead & { offset: number | null }

/** A page with the head and floor of the same snapshot: one statement, so a gap in it is never a race. */
export async function readChannel(
  sql: Sql,
  partition: number,
  channel: string,
  request: ChannelRequest,
): Promise<Answered<ChannelPage>> {
  const order = request.reverse ? sql`desc` : sql``
  const rowsWanted = request.reverse
    ? sql`select * from holdfast.events
          where partition = ${partition} and channel = ${channel}
            and "offset" < ${request.since ?? Number.MAX_SAFE_INTEGER}
          order by "offset" desc limit ${request.limit}`
    : sql`select * from holdfast.events
          where partition = ${partition} and channel = ${channel} and "offset" > ${request.since ?? 0}
          order by "offset" limit ${request.limit}`
  const page =
    request.maxBytes === undefined
      ? rowsWanted
      : firstBytes(sql, rowsWanted, sql`w."offset" ${order}`, request.maxBytes)
  const rows = await sql<(ChannelRow & { epoch: string; server: string })[]>`
    select b.head, b.floor, b.epoch, b.server, e.position, e."offset", e.id, e.type, e.data, e.meta, e.time
    from (
      select greatest(
               (select l."offset" from holdfast.events as l
                where l.partition = ${partition} and l.channel = ${channel} order by l."offset" desc limit 1),
               (select f.head from holdfast.channel_floor as f
                where f.partition = ${partition} and f.channel = ${channel}), 0) as head,
             coalesce((select f.floor from holdfast.channel_floor as f
                where f.partition = ${partition} and f.channel = ${channel}), 0) as floor,
             (select epoch from holdfast.ledger) as epoch, ${serverName(sql)} as server
    ) as b
    left join (${page}) as e on true
    order by e."offset" ${order}`
  const { head = 0, floor = 0 } = rows[0] ?? {}
  const events = rows.flatMap(({ offset, position, id, type, data, meta, time }) =>
    offset === null ? [] : [{ channel, offset, position, partition, id, type, data, meta, time }],
  )
  return { epoch: rows[0]?.epoch, server: rows[0]?.server, answer: { head, floor, events } }
}

/** The rows of a query up to the first of those that fill so many bytes of data. */
function firstBytes(sql: Sql, rows: SqlFragment, order: SqlFragment, maxBytes: number) {
  return sql`
    select * from (
      select w.*, sum(octet_length(w.data)) over (order by ${order} rows unbounded preceding)
                  - octet_length(w.data) as bytes_before
      from (${rows}) as w
    ) as measured where bytes_before < ${maxBytes}`
}

export async function offsetOf(
  sql: Sql,
  partition: number,
  channel: string,
  id: string,
): Promise<Answered<number | undefined>> {
  const [row] = await sql<{ offset: number | null; epoch: string; server: string }[]>`
    select (select e."offset" from holdfast.events as e
            where e.partition = ${partition} and e.id = ${id} and e.channel = ${channel}) as "offset",
           (select epoch from holdfast.ledger) as epoch, ${serverName(sql)} as server`
  return { epoch: row?.epoch, server: row?.server, answer: row?.offset ?? undefined }
}

/** However small the limit, events may be large: behind so many bytes of data no further one begins. */
const partitionPageBytes = 1_048_576

export async function readPartition(
  sql: Sql,
  partition: number,
  from: number,
  limit: number,
): Promise<Answered<PartitionPage>> {
  const wanted = sql`
    select * from holdfast.events
    where partition = ${partition} and position >= ${from} order by position limit ${limit}`
  const rows = await sql<
    (StoredEvent & { head: number; position: number | null; epoch: string; server: string })[]
  >`
    select b.head, b.epoch, b.server, e.position, e.channel, e."offset", e.id, e.type, e.data, e.meta, e.time
    from (
      select greatest(
               (select l.position from holdfast.events as l
                where l.partition = ${partition} order by l.position desc limit 1),
               (select f.head from holdfast.partition_floor as f where f.partition = ${partition}), 0) as head,
             (select epoch from holdfast.ledger) as epoch, ${serverName(sql)} as server
    ) as b
    left join (${firstBytes(sql, wanted, sql`w.position`, partitionPageBytes)}) as e on true
    order by e.position`
  const events = rows.flatMap(({ channel, offset, position, id, type, data, meta, time }) =>
    position === null ? [] : [{ channel, offset, position, partition, id, type, data, meta, time }],
  )
  // Above the last one of a page there may be more, or a hole: the next page tells.
  const through = events.at(-1)?.position ?? Math.max(rows[0]?.head ?? 0, from - 1)
  return { epoch: rows[0]?.epoch, server: rows[0]?.server, answer: { events, from, through } }
}

export async function channelHeads(
  sql: Sql,
  channels: readonly string[],
  partitions: readonly number[],
): Promise<Heads<string, ChannelHead>> {
  const rows = await sql<(ChannelHead & { channel: string; epoch: string; server: string })[]>`
    select t.channel,
           greatest(
             (select l."offset" from holdfast.events as l
              where l.partition = t.partition and l.channel = t.channel order by l."offset" desc limit 1),
             f.head, 0) as head,
           coalesce(f.floor, 0) as floor,
           (select epoch from holdfast.ledger) as epoch, ${serverName(sql)} as server
    from unnest(${intArray(partitions, one => one)}::int[], ${textArray(channels, one => one)}::text[]) as t (partition, channel)
    left join holdfast.channel_floor as f on f.partition = t.partition and f.channel = t.channel`
  return {
    epoch: rows[0]?.epoch,
    server: rows[0]?.server,
    heads: new Map(rows.map(({ channel, head, floor }) => [channel, { head, floor }])),
  }
}

export interface PartitionHeads extends Heads<number, number> {
  readonly kind: ServerKind
  readonly ids: ReadonlyMap<number, string>
  /** What the server's clock showed, in milliseconds; undefined where no partition was asked for. */
  readonly clock: number | undefined
}

export async function partitionHeads(sql: Sql, partitions: readonly number[]): Promise<PartitionHeads> {
  const rows = await sql<
    {
      partition: number
      head: number
      id: string | null
      epoch: string
      server: string
      kind: ServerKind
      clock: number
    }[]
  >`
    select t.partition,
           greatest(last.position, f.head, 0) as head,
           case when last.position >= coalesce(f.head, 0) then last.id end as id,
           (select epoch from holdfast.ledger) as epoch, ${serverName(sql)} as server,
           ${serverKind(sql)} as kind,
           (select floor(extract(epoch from clock_timestamp()) * 1000)::bigint) as clock
    from unnest(${intArray(partitions, one => one)}::int[]) as t (partition)
    left join lateral (
      select l.position, l.id from holdfast.events as l
      where l.partition = t.partition order by l.position desc limit 1) as last on true
    left join holdfast.partition_floor as f on f.partition = t.partition`
  return {
    epoch: rows[0]?.epoch,
    server: rows[0]?.server,
    kind: rows[0]?.kind ?? 'primary',
    clock: rows[0]?.clock,
    heads: new Map(rows.map(({ partition, head }) => [partition, head])),
    ids: new Map(rows.flatMap(({ partition, id }) => (id === null ? [] : [[partition, id]]))),
  }
}
