import type { Sql } from '../../platform/index.ts'
import { textArray } from '../ledger/array-literal.ts'
import { placeOf, textOf } from './cursor-list.ts'
import { headOf } from './statements.ts'

/** What of a user's channels has not been read. */
export interface UnreadFilter {
  readonly user: string
  /** The name of the cursors that say what has been read; left out: any. */
  readonly name?: string | undefined
  /** Only events of these types count; left out: all. */
  readonly types?: readonly string[] | undefined
  /** Whether the user's own events count too (default: no). */
  readonly own?: boolean | undefined
  /** Counting ends above this number (default 99), so that a channel nobody reads costs no more. */
  readonly most?: number | undefined
}

/** One cursor of the user's. */
export interface UnreadChannel {
  readonly channel: string
  /** The cursor's name. */
  readonly name: string
  /** What has been read; 0 where the cursor is of another epoch. */
  readonly offset: number
  /** Of the channel. */
  readonly head: number
  /** Events after the cursor that count, at most as many as were to be counted. */
  readonly unread: number
  /** There are still more of them. */
  readonly more: boolean
  /** The channel's last event, where it has not been removed. Milliseconds since 1970. */
  readonly lastType: string | null
  readonly lastTime: number | null
}

export interface UnreadPage {
  readonly channels: readonly UnreadChannel[]
  /** To be given as `after` for the next page; undefined: this is the last one. */
  readonly next: string | undefined
}

const defaultMost = 99

/** How what is recorded of a user's event begins, as `encodeClientInfo` writes it: JSON that nests deeply no cast would take. */
function ofUser(user: string): string {
  return `{"user":${JSON.stringify(user)},`
}

/**
 * What a user has not read, by the user's cursors, in their order. Nothing is kept for it: it is counted in the ledger when
 * somebody asks, from each cursor on. An event that was erased does not count.
 */
export async function unreadOf(
  sql: Sql,
  { user, name, types, own = false, most = defaultMost }: UnreadFilter,
  { limit, after }: { readonly limit: number; readonly after?: string | undefined },
): Promise<UnreadPage> {
  const place = after === undefined ? undefined : placeOf(after)
  const rows = await sql<(UnreadChannel & { partition: number })[]>`
    select c.partition, c.channel, c.name, c."offset", h.head, least(u.count, ${most}::int) as unread,
           u.count > ${most}::int as more, last.type as "lastType", last.time as "lastTime"
    from (
      select c.partition, c.channel, c."user", c.name, case when c.epoch = l.epoch then c."offset" else 0 end as "offset"
      from holdfast.cursors as c, holdfast.ledger as l
      where c."user" = ${user} and ${name === undefined ? sql`true` : sql`c.name = ${name}`}
        and ${place ? sql`(c.partition, c.channel, c."user", c.name) > (${place[0]}, ${place[1]}, ${place[2]}, ${place[3]})` : sql`true`}
      order by c.partition, c.channel, c."user", c.name
      limit ${limit + 1}
    ) as c
    cross join lateral (${headOf(sql, sql`c`)}) as h
    left join holdfast.events as last
      on last.partition = c.partition and last.channel = c.channel and last."offset" = h.head
    cross join lateral (
      select count(*)::int as count from (
        select from holdfast.events as e
        where e.partition = c.partition and e.channel = c.channel and e."offset" > c."offset"
          and e.type <> 'holdfast.erased'
          and ${types === undefined ? sql`true` : sql`e.type = any (${textArray(types, type => type)}::text[])`}
          and ${own ? sql`true` : sql`not coalesce(starts_with(e.meta, ${ofUser(user)}), false)`}
        order by e."offset" limit ${most + 1}
      ) as counted
    ) as u
    order by c.partition, c.channel, c.name`
  const page = rows.slice(0, limit)
  const last = rows.length > limit ? page.at(-1) : undefined
  return {
    channels: page.map(({ partition: _, ...channel }) => channel),
    next: last && textOf([last.partition, last.channel, user, last.name]),
  }
}
