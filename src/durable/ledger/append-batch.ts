import type { Sql } from '../../platform/index.ts'
import { intArray, textArray } from './array-literal.ts'
import type { Entry } from './entry.ts'
import type { KnownHeads } from './known-heads.ts'

/** What `holdfast.append` says of one event of a batch. */
export interface EntryResult {
  /** s stored, d duplicate, c conflict, r refused. */
  readonly outcome: string
  readonly offset: number
  /** Of a duplicate only where its meta is the same too, else null. */
  readonly position: number | null
  readonly time: number
}

interface Row {
  outcomes: string
  positions: (number | null)[]
  offsets: number[]
  time: number
  times: number[] | null
}

/**
 * One batch, one autocommit statement. The driver resolves after ReadyForQuery, which is after the commit
 * (CommandComplete is before it). Never to be cancelled: a cancelled wait for a synchronous standby looks like success.
 */
export async function appendBatch(
  sql: Sql,
  epoch: string,
  entries: readonly Entry[],
  heads: KnownHeads,
): Promise<EntryResult[]> {
  const expected = entries.some(entry => entry.expectedOffset !== null)
    ? intArray(entries, entry => entry.expectedOffset)
    : null
  const [row] = await sql<Row[]>`
    select outcomes, to_json(positions) as positions, to_json(offsets) as offsets, time, to_json(times) as times
    from holdfast.append(
      ${epoch}::text,
      ${intArray(entries, entry => entry.partition)}::int[],
      ${textArray(entries, entry => entry.channel)}::text[],
      ${textArray(entries, entry => entry.id)}::uuid[],
      ${textArray(entries, entry => entry.type)}::text[],
      ${textArray(entries, entry => entry.data)}::text[],
      ${textArray(entries, entry => entry.meta)}::text[],
      ${intArray(entries, entry => heads.position(entry.partition))}::bigint[],
      ${intArray(entries, entry => heads.offset(entry.channel))}::bigint[],
      ${expected}::bigint[]
    )`
  if (!row || row.outcomes.length !== entries.length) {
    throw new Error(`holdfast.append answered for ${row?.outcomes.length ?? 0} of ${entries.length} events`)
  }
  return entries.map((_, i) => ({
    outcome: row.outcomes.charAt(i),
    offset: row.offsets[i] ?? 0,
    position: row.positions[i] ?? null,
    time: row.times?.[i] ?? row.time,
  }))
}
