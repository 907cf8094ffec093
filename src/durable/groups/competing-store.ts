import type { StoredEvent } from '../../domain/index.ts'
import type { Sql, Transaction } from '../../platform/index.ts'
import { intArray } from '../ledger/array-literal.ts'
import type { LogPlace } from './competing-stream.ts'

/**
 * How long another's transaction is waited for: it is nearly done, or hangs with its process. With several it is worth
 * while, because they are taken one by one else; then each is soon somebody else's.
 */
const patienceMs = { several: 500, one: 20 }

/** What is not settled of a range of a partition. */
export interface Unsettled {
  readonly events: readonly StoredEvent[]
  /** Positions that the ledger does not have any more: retention or an erasure has removed their events. */
  readonly missing: readonly number[]
  /** How far was looked. */
  readonly through: number
}

type EventRow = Omit<StoredEvent, 'id' | 'partition'> & { readonly id: string | null }

/**
 * Settles positions, in the transaction of their effects and as its first statement. Returns those that nobody else has
 * settled before: only these are the caller's to handle.
 */
export async function takePositions(
  sql: Sql | Transaction,
  group: string,
  { epoch, partition }: LogPlace,
  positions: readonly number[],
): Promise<ReadonlySet<number>> {
  const ms = positions.length > 1 ? patienceMs.several : patienceMs.one
  const rows = await sql<{ position: number }[]>`
    select unnest(holdfast.take_positions(${group}, ${epoch}, ${partition},
                  ${intArray(positions, one => one)}::bigint[], ${ms})) as position`
  return new Set(rows.map(row => row.position))
}

/** Raises the floors of partitions held under these fences. Returns those it could see to. */
export async function raiseFloors(
  sql: Sql,
  group: string,
  held: readonly { readonly partition: number; readonly fence: number }[],
): Promise<ReadonlyMap<number, number>> {
  const rows = await sql<{ partition: number; floor: number | null }[]>`
    select h.partition, holdfast.raise_floor(${group}, h.partition, h.fence) as floor
    from unnest(${intArray(held, one => one.partition)}::int[], ${intArray(held, one => one.fence)}::bigint[])
         as h (partition, fence)`
  return new Map(
    rows.flatMap(({ partition, floor }) => (floor === null ? [] : [[partition, floor] as const])),
  )
}

/** `to` must be no higher than a head of the ledger that was read before. */
export async function readUnsettled(
  sql: Sql,
  group: string,
  partition: number,
  { from, to, limit }: { readonly from: number; readonly to: number; readonly limit: number },
): Promise<Unsettled> {
  const rows = await sql<EventRow[]>`
    select * from holdfast.unsettled_events(${group}, ${partition}, ${from}, ${to}, ${limit})`
  const events: StoredEvent[] = []
  const missing: number[] = []
  for (const { id, ...row } of rows) {
    if (id === null) missing.push(row.position)
    else events.push({ ...row, id, partition })
  }
  return { events, missing, through: rows.length < limit ? to : (rows.at(-1)?.position ?? to) }
}

export async function members(sql: Sql, group: string): Promise<ReadonlySet<string>> {
  const rows = await sql<{ member: string }[]>`
    select member from holdfast.group_members where "group" = ${group}`
  return new Set(rows.map(row => row.member))
}
