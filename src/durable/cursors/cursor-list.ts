import { HoldfastError } from '../../domain/index.ts'
import type { Sql } from '../../platform/index.ts'
import { partitionOf } from '../ledger/partition-of.ts'
import { headOf } from './statements.ts'

/** What is left out matches any. */
export interface CursorFilter {
  readonly channel?: string | undefined
  readonly user?: string | undefined
  readonly name?: string | undefined
}

export interface ListedCursor {
  readonly channel: string
  readonly user: string
  readonly name: string
  readonly offset: number
  readonly epoch: string
  /** Whether the epoch is the ledger's: else the offset means nothing any more. */
  readonly valid: boolean
  /** Of its channel. */
  readonly head: number
  /** Events that are still to come: after the cursor, and not removed by retention. */
  readonly lag: number
  /** When it moved last, in milliseconds since 1970. */
  readonly moved: number
  /** Whether retention waits for it now. */
  readonly holding: boolean
}

export interface CursorPage {
  readonly cursors: readonly ListedCursor[]
  /** To be given as `after` for the next page; undefined: this is the last one. */
  readonly next: string | undefined
}

type Place = readonly [partition: number, channel: string, user: string, name: string]

/** A page in the order of the key (partition, channel, user, name). */
export async function listCursors(
  sql: Sql,
  filter: CursorFilter,
  { limit, after }: { limit: number; after?: string | undefined },
): Promise<CursorPage> {
  const place = after === undefined ? undefined : placeOf(after)
  const partition = await partitionOfFilter(sql, filter)
  const rows = await sql<(ListedCursor & { partition: number })[]>`
    select c.partition, c.channel, c."user", c.name, c."offset", c.epoch, c.epoch = l.epoch as valid, h.head,
           h.head - greatest(case when c.epoch = l.epoch then c."offset" else 0 end, h.floor) as lag, c.moved,
           c.holds and coalesce(c.holds_until > extract(epoch from clock_timestamp()) * 1000, true) as holding
    from (
      select * from holdfast.cursors as c
      where ${conditionOf(sql, filter, partition)}
        and ${place ? sql`(c.partition, c.channel, c."user", c.name) > (${place[0]}, ${place[1]}, ${place[2]}, ${place[3]})` : sql`true`}
      order by c.partition, c.channel, c."user", c.name
      limit ${limit + 1}
    ) as c
    cross join holdfast.ledger as l
    cross join lateral (${headOf(sql, sql`c`)}) as h
    order by c.partition, c.channel, c."user", c.name`
  const page = rows.slice(0, limit)
  const last = rows.length > limit ? page.at(-1) : undefined
  return {
    cursors: page.map(({ partition: _, ...cursor }) => cursor),
    next: last && textOf([last.partition, last.channel, last.user, last.name]),
  }
}

export async function countCursors(sql: Sql, filter: CursorFilter): Promise<number> {
  const partition = await partitionOfFilter(sql, filter)
  const [row] = await sql<{ count: number }[]>`
    select count(*) as count from holdfast.cursors as c where ${conditionOf(sql, filter, partition)}`
  return row?.count ?? 0
}

/** The partition of the filter's channel, with which the key begins; undefined where it names none. */
export async function partitionOfFilter(sql: Sql, { channel }: CursorFilter): Promise<number | undefined> {
  if (channel === undefined) return undefined
  const [ledger] = await sql<{ partitions: number }[]>`select partitions from holdfast.ledger`
  return partitionOf(channel, ledger?.partitions ?? 1)
}

/** A condition on `c`. */
export function conditionOf(
  sql: Sql,
  { channel, user, name }: CursorFilter,
  partition: number | undefined,
): ReturnType<Sql> {
  return sql`
    ${partition === undefined ? sql`true` : sql`c.partition = ${partition} and c.channel = ${channel ?? ''}`}
    and ${user === undefined ? sql`true` : sql`c."user" = ${user}`}
    and ${name === undefined ? sql`true` : sql`c.name = ${name}`}`
}

/** A place in the order of the key, as callers keep it. */
export function textOf(place: Place): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url')
}

/** @throws HoldfastError REQUEST_INVALID */
export function placeOf(text: string): Place {
  try {
    const place: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    if (Array.isArray(place) && place.length === 4 && Number.isSafeInteger(place[0])) {
      if (place.slice(1).every(each => typeof each === 'string' && !each.includes('\0')))
        return place as unknown as Place
    }
  } catch {
    // Refused below.
  }
  throw new HoldfastError('REQUEST_INVALID', 'after: expected the `next` of an earlier page')
}
