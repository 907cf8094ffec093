import type { Sql } from '../../platform/index.ts'
import { headOf } from './statements.ts'

/** How far behind the cursors of one name in one namespace are. */
export interface CursorLag {
  readonly namespace: string
  /** The cursors' name; `(other)` for those beyond the most frequent ones, since clients make names up. */
  readonly cursor: string
  /** How many there are, by estimate where not all were looked at. */
  readonly count: number
  /** Events that are still to come to the furthest behind of those that were looked at. */
  readonly maxLag: number
  /** To all of them together, by estimate where not all were looked at. */
  readonly sumLag: number
}

/** Cursors that are looked at; each costs two look-ups in an index. */
const maxSampled = 5_000
/** Rows of the answer: metrics must not grow with what clients think of. */
const maxKinds = 200

/**
 * Looks at all cursors while there are few, then at whole pages of the table by chance, in the share that gives some
 * thousands. Postgres' own estimate of the table's size decides; it follows autovacuum.
 */
export async function cursorLags(sql: Sql): Promise<readonly CursorLag[]> {
  const [table] = await sql<{ rows: number }[]>`
    select reltuples as rows from pg_class where oid = 'holdfast.cursors'::regclass`
  const share = Math.min(1, maxSampled / Math.max(1, table?.rows ?? 1))
  return sql<CursorLag[]>`
    with looked_at as (
      select c.partition, c.channel, c.name, case when c.epoch = l.epoch then c."offset" else 0 end as "offset"
      from holdfast.cursors as c tablesample system (${share * 100}), holdfast.ledger as l
      limit ${maxSampled * 2}
    ), heads as (
      select d.partition, d.channel, h.head, h.floor
      from (select distinct partition, channel from looked_at) as d
      cross join lateral (${headOf(sql, sql`d`)}) as h
    ), kinds as (
      select case when strpos(c.channel, ':') = 0 then ''
                  else split_part(regexp_replace(c.channel, '^\\$', ''), ':', 1) end as namespace,
             c.name, count(*) as count, max(h.head - greatest(c."offset", h.floor)) as max_lag,
             sum(h.head - greatest(c."offset", h.floor)) as sum_lag
      from looked_at as c join heads as h on h.partition = c.partition and h.channel = c.channel
      group by 1, 2
    ), ranked as (
      select *, row_number() over (order by count desc, namespace, name) >= ${maxKinds} as rare from kinds
    )
    select case when rare then '' else namespace end as namespace,
           case when rare then '(other)' else name end as cursor,
           round(sum(count) / ${share}::float8)::bigint as count, max(max_lag)::bigint as "maxLag",
           round(sum(sum_lag) / ${share}::float8)::bigint as "sumLag"
    from ranked group by 1, 2 order by 1, 2`
}
