import type { Sql } from '../../platform/index.ts'
import { intArray, textArray } from '../ledger/array-literal.ts'
import type { Ack, CursorKey, CursorState } from './types.ts'

/** An ack as a row of the batch: `hold` as `p_holds` of holdfast.move_cursors. */
export interface AckRow {
  readonly ack: Ack
  readonly partition: number
  readonly hold: number | null
}

/** What became of an ack, by the letters of holdfast.move_cursors. */
export type AckOutcome =
  | { readonly kind: 'moved'; readonly offset: number; readonly epoch: string }
  | { readonly kind: 'above_head'; readonly head: number }
  | { readonly kind: 'other_epoch'; readonly epoch: string }
  | { readonly kind: 'too_many' }

export interface Moved {
  /** In the order of the rows. */
  readonly outcomes: AckOutcome[]
  /** Events between where the cursors stood before and where they stand now. */
  readonly passed: number
}

/**
 * One flush, one autocommit statement: it is committed when this resolves. Where cursors stood before is as the statement
 * saw it at its beginning, whatever the function has done meanwhile.
 */
export async function moveCursors(sql: Sql, rows: readonly AckRow[], most: number): Promise<Moved> {
  const [row] = await sql<
    { outcomes: string; offsets: (number | null)[]; before: (number | null)[]; epoch: string }[]
  >`
    with keys as (
      select ${intArray(rows, each => each.partition)}::int[] as partitions,
             ${textArray(rows, each => each.ack.channel)}::text[] as channels,
             ${textArray(rows, each => each.ack.user)}::text[] as users,
             ${textArray(rows, each => each.ack.name)}::text[] as names
    )
    select m.outcomes, to_json(m.offsets) as offsets, m.epoch,
           (select json_agg(c."offset" order by t.n)
            from unnest(keys.partitions, keys.channels, keys.users, keys.names)
                 with ordinality as t (partition, channel, "user", name, n)
            left join holdfast.cursors as c
              on c.partition = t.partition and c.channel = t.channel and c."user" = t."user"
             and c.name = t.name and c.epoch = m.epoch) as before
    from keys, holdfast.move_cursors(
      keys.partitions, keys.channels, keys.users, keys.names,
      ${intArray(rows, each => each.ack.offset)}::bigint[],
      ${textArray(rows, each => each.ack.epoch ?? '')}::text[],
      ${intArray(rows, each => each.hold)}::bigint[],
      ${most}::int
    ) as m`
  if (!row || row.outcomes.length !== rows.length) {
    throw new Error(
      `holdfast.move_cursors answered for ${row?.outcomes.length ?? 0} of ${rows.length} cursors`,
    )
  }
  const { outcomes, offsets, before, epoch } = row
  let passed = 0
  for (let i = 0; i < rows.length; i++)
    if (outcomes.charAt(i) === 'm') passed += Math.max(0, (offsets[i] ?? 0) - (before[i] ?? 0))
  return { outcomes: rows.map((_, i) => outcomeOf(outcomes.charAt(i), offsets[i] ?? 0, epoch)), passed }
}

function outcomeOf(letter: string, offset: number, epoch: string): AckOutcome {
  switch (letter) {
    case 'm':
      return { kind: 'moved', offset, epoch }
    case 'a':
      return { kind: 'above_head', head: offset }
    case 'e':
      return { kind: 'other_epoch', epoch }
    case 'l':
      return { kind: 'too_many' }
    default:
      throw new Error(`holdfast.move_cursors gave the outcome ${JSON.stringify(letter)}`)
  }
}

/** The head and the floor of the channel of a row with `partition` and `channel`, as a query of one row. */
export function headOf(sql: Sql, row: ReturnType<Sql>): ReturnType<Sql> {
  return sql`
    select greatest(
             (select e."offset" from holdfast.events as e
              where e.partition = ${row}.partition and e.channel = ${row}.channel
              order by e."offset" desc limit 1),
             f.head, 0) as head,
           coalesce(f.floor, 0) as floor
    from (select) as one
    left join holdfast.channel_floor as f on f.partition = ${row}.partition and f.channel = ${row}.channel`
}

/** Where cursors stand, and their channels' heads, from one snapshot; in the order of the keys. */
export async function readCursors(
  sql: Sql,
  keys: readonly (CursorKey & { readonly partition: number })[],
): Promise<CursorState[]> {
  const rows = await sql<(Omit<CursorState, 'moved'> & { moved: number | null })[]>`
    select coalesce(c."offset", 0) as "offset", coalesce(c.epoch, l.epoch) as epoch, h.head, c.moved,
           h.head - greatest(case when c.epoch = l.epoch then c."offset" else 0 end, h.floor) as lag
    from holdfast.ledger as l
    cross join unnest(
      ${intArray(keys, each => each.partition)}::int[],
      ${textArray(keys, each => each.channel)}::text[],
      ${textArray(keys, each => each.user)}::text[],
      ${textArray(keys, each => each.name)}::text[]
    ) with ordinality as t (partition, channel, "user", name, n)
    left join holdfast.cursors as c
      on c.partition = t.partition and c.channel = t.channel and c."user" = t."user" and c.name = t.name
    cross join lateral (${headOf(sql, sql`t`)}) as h
    order by t.n`
  return rows.map(({ moved, ...state }) => ({ ...state, moved: moved ?? undefined }))
}
