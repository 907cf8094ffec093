import type { Sql } from '../../platform/index.ts'
import { intArray, textArray } from './array-literal.ts'
import type { Entry } from './entry.ts'
import type { KnownHeads } from './known-heads.ts'
import { serverName } from './start-check.ts'

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

/** Where a batch may be recorded. */
export interface BatchPlace {
  readonly epoch: string
  /** The start of the server that has been checked; on another one nothing is recorded. */
  readonly server: string
  readonly allowUnsafeFsync: boolean
}

/**
 * One batch, one autocommit statement. Undefined, and nothing recorded, where the connection leads to a server that was not
 * checked, or that flushes nothing to disk any more. The driver resolves after ReadyForQuery, which is after the commit
 * (CommandComplete is before it). Never to be cancelled: a cancelled wait for a synchronous standby looks like success.
 */
export async function appendBatch(
  sql: Sql,
  { epoch, server, allowUnsafeFsync }: BatchPlace,
  entries: readonly Entry[],
  heads: KnownHeads,
): Promise<EntryResult[] | undefined> {
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
    )
    where ${serverName(sql)} = ${server} and (current_setting('fsync') = 'on' or ${allowUnsafeFsync})`
  if (!row) return undefined
  if (row.outcomes.length !== entries.length) {
    throw new Error(`holdfast.append answered for ${row.outcomes.length} of ${entries.length} events`)
  }
  return entries.map((_, i) => ({
    outcome: row.outcomes.charAt(i),
    offset: row.offsets[i] ?? 0,
    position: row.positions[i] ?? null,
    time: row.times?.[i] ?? row.time,
  }))
}
