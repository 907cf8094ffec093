import type { Sql } from '../../platform/index.ts'
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
    ? numbers(entries, entry => entry.expectedOffset)
    : null
  const [row] = await sql<Row[]>`
    select outcomes, to_json(positions) as positions, to_json(offsets) as offsets, time, to_json(times) as times
    from holdfast.append(
      ${epoch}::text,
      ${numbers(entries, entry => entry.partition)}::int[],
      ${texts(entries, entry => entry.channel)}::text[],
      ${texts(entries, entry => entry.id)}::uuid[],
      ${texts(entries, entry => entry.type)}::text[],
      ${texts(entries, entry => entry.data)}::text[],
      ${texts(entries, entry => entry.meta)}::text[],
      ${numbers(entries, entry => heads.position(entry.partition))}::bigint[],
      ${numbers(entries, entry => heads.offset(entry.channel))}::bigint[],
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

/** Array literals made here cost half of what the driver's serializer takes for a batch. */
function numbers(entries: readonly Entry[], of: (entry: Entry) => number | null): string {
  return `{${entries.map(entry => of(entry) ?? 'NULL').join(',')}}`
}

function texts(entries: readonly Entry[], of: (entry: Entry) => string | null): string {
  return `{${entries.map(entry => quoted(of(entry))).join(',')}}`
}

function quoted(text: string | null): string {
  return text === null ? 'NULL' : `"${text.replace(/["\\]/g, '\\$&')}"`
}
