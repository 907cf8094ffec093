import type { Sql } from '../../platform/index.ts'
import type { EntryResult } from '../ledger/append-batch.ts'
import { intArray, textArray } from '../ledger/array-literal.ts'
import type { Entry } from '../ledger/entry.ts'
import type { KnownHeads } from '../ledger/known-heads.ts'
import { serverName } from '../ledger/start-check.ts'

/** An event that an application has committed, and the ledger does not have yet. */
export interface OutboxRow {
  readonly id: number
  readonly channel: string
  readonly type: string
  /** JSON text. */
  readonly data: string
  readonly eventId: string
  /** Since its transaction began. */
  readonly ageSeconds: number
}

/** A row that may go into the ledger. */
export interface FitRow {
  readonly id: number
  readonly entry: Entry
}

/** A row that the ledger can never take. */
export interface UnfitRow {
  readonly id: number
  readonly reason: string
}

/** The same bounds as a batch of appends has: larger ones only hold the partitions' locks for longer. */
export const batchLimits = { events: 500, bytes: 1_048_576 }

/**
 * The first rows of the outbox that are visible and not refused, as many as make one batch; one that is larger travels
 * alone. Always from the lowest id on: transactions commit in another order than they took their ids.
 * @param without channels that are passed over
 */
export async function readVisible(
  sql: Sql,
  from: number,
  without: ReadonlySet<string> = new Set(),
): Promise<OutboxRow[]> {
  // Of a subquery Postgres makes a hash; a list it would go through for every row.
  const others =
    without.size === 0
      ? sql``
      : sql`and channel not in (select unnest(${textArray([...without], one => one)}::text[]) collate "C")`
  return sql<OutboxRow[]>`
    select id, channel, type, data, event_id as "eventId",
           extract(epoch from clock_timestamp() - created)::float8 as "ageSeconds"
    from (
      select o.*, sum(octet_length(data)) over (order by id) as through
      from (select id, channel, type, data, event_id, created from holdfast.outbox
            where refused is null and id >= ${from} ${others} order by id limit ${batchLimits.events}) as o
    ) as batch
    where through <= ${batchLimits.bytes} or through = octet_length(data)
    order by id`
}

interface Answer {
  ids: number[]
  outcomes: string
  positions: (number | null)[]
  offsets: number[]
  time: number
  times: number[] | null
}

/**
 * One autocommit statement, as a batch of appends is. Returns what became of the rows that were still there, by their ids;
 * undefined, and nothing done, where another relay is at work, or the server is not the one that the ledger has checked.
 */
export async function relayRows(
  sql: Sql,
  { epoch, server }: { readonly epoch: string; readonly server: string },
  batch: { readonly fit: readonly FitRow[]; readonly unfit: readonly UnfitRow[] },
  heads: KnownHeads,
): Promise<ReadonlyMap<number, EntryResult> | undefined> {
  const { fit, unfit } = batch
  const [answer] = await sql<Answer[]>`
    select to_json(ids) as ids, outcomes, to_json(positions) as positions, to_json(offsets) as offsets, time,
           to_json(times) as times
    from holdfast.relay_outbox(
      ${epoch}::text,
      ${intArray(fit, row => row.id)}::bigint[],
      ${intArray(fit, row => row.entry.partition)}::int[],
      ${intArray(fit, row => heads.position(row.entry.partition))}::bigint[],
      ${intArray(fit, row => heads.offset(row.entry.channel))}::bigint[],
      ${intArray(unfit, row => row.id)}::bigint[],
      ${textArray(unfit, row => row.reason)}::text[]
    )
    where ${serverName(sql)} = ${server}`
  if (!answer) return undefined
  return new Map(
    answer.ids.map((id, i) => [
      id,
      {
        outcome: answer.outcomes.charAt(i),
        offset: answer.offsets[i] ?? 0,
        position: answer.positions[i] ?? null,
        time: answer.times?.[i] ?? answer.time,
      },
    ]),
  )
}
