import type { StoredEvent } from '../../domain/index.ts'
import type { Sql, Transaction } from '../../platform/index.ts'
import { intArray, textArray } from '../ledger/array-literal.ts'
import type { Failure } from './failure.ts'

/** A partition as one member holds it: every settlement is refused where the epoch or the fence is not this any more. */
export interface Place {
  readonly group: string
  readonly partition: number
  readonly epoch: string
  readonly fence: number
}

/** A delivery that is still owed. */
export interface OpenRow {
  readonly position: number
  readonly channel: string
  readonly state: 'waiting' | 'retrying' | 'parked'
  readonly attempts: number
  /** Milliseconds until it may be handled, as the database's clock sees it; 0: now. */
  readonly dueInMs: number
}

/** What becomes a row: an event that did not go smoothly, or that waits behind one. */
export interface NewRow {
  readonly event: StoredEvent
  readonly state: OpenRow['state']
  readonly attempts: number
  readonly reason: string | null
  readonly dueInMs: number
}

/** An event that waits behind another of its channel. */
export function waitingRow(event: StoredEvent): NewRow {
  return { event, state: 'waiting', attempts: 0, reason: null, dueInMs: 0 }
}

/** How an attempt that is not done leaves its event. */
export function failedRow(attempts: number, failure: Failure): Omit<NewRow, 'event'> {
  const { reason } = failure
  if (failure.kind === 'park') return { state: 'parked', attempts, reason, dueInMs: 0 }
  return { state: 'retrying', attempts, reason, dueInMs: Math.ceil(failure.afterMs) }
}

/** Statements that go out together; each is under way when it is returned. */
export type Statements = readonly PromiseLike<unknown>[]

type Db = Sql | Transaction

export function consumerOf(group: string): string {
  return `group/${group}`
}

/** Moves the checkpoint, and writes the rows of what lies between and is not done. Refused (HF006) together or not at all. */
export function moveCheckpoint(
  db: Db,
  place: Place,
  from: number,
  to: number,
  rows: readonly NewRow[],
): Statements {
  const { group, partition, epoch, fence } = place
  const moved = db`select holdfast.move_checkpoint(${group}, ${partition}, ${epoch}, ${fence}, ${from}, ${to})`
  return rows.length === 0 ? [moved.execute()] : [moved.execute(), insertRows(db, group, rows).execute()]
}

/** Ends open deliveries; refused (HF006) where the place or one of them is not ours any more. */
export function endDeliveries(db: Db, place: Place, positions: readonly number[]): Statements {
  const { group, partition, epoch, fence } = place
  const list = intArray(positions, one => one)
  return [
    db`select holdfast.end_deliveries(${group}, ${partition}, ${epoch}, ${fence}, ${list}::bigint[])`.execute(),
  ]
}

/** Writes rows for a group's events; what an earlier life of the group has left at their places is replaced. */
export function insertRows(db: Db, group: string, rows: readonly NewRow[]) {
  return db`
    insert into holdfast.deliveries as d
      (consumer, partition, position, channel, "offset", event_id, event_type, state, attempts, reason, due, created, updated)
    select ${consumerOf(group)}, r.partition, r.position, r.channel, r."offset", r.id, r.type, r.state, r.attempts, r.reason,
           case when r.due_in > 0 then now.ms + r.due_in else 0 end, now.ms, now.ms
    from unnest(
           ${intArray(rows, row => row.event.partition)}::int[],
           ${intArray(rows, row => row.event.position)}::bigint[],
           ${textArray(rows, row => row.event.channel)}::text[],
           ${intArray(rows, row => row.event.offset)}::bigint[],
           ${textArray(rows, row => row.event.id)}::uuid[],
           ${textArray(rows, row => row.event.type)}::text[],
           ${textArray(rows, row => row.state)}::text[],
           ${intArray(rows, row => row.attempts)}::int[],
           ${textArray(rows, row => row.reason)}::text[],
           ${intArray(rows, row => Math.ceil(row.dueInMs))}::bigint[]
         ) as r (partition, position, channel, "offset", id, type, state, attempts, reason, due_in),
         (select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as ms) as now
    on conflict (consumer, partition, position) do update
    set channel = excluded.channel, "offset" = excluded."offset", event_id = excluded.event_id,
        event_type = excluded.event_type, state = excluded.state, attempts = excluded.attempts, reason = excluded.reason,
        due = excluded.due, created = excluded.created, updated = excluded.updated, actor = null`
}
