import type { Sql, Transaction } from '../../platform/index.ts'
import type { HandlerEvent } from '../groups/types.ts'
import { intArray, textArray } from '../ledger/array-literal.ts'

/** Where a rule's delivery is found: its row's key. */
export interface DeliveryPlace {
  readonly rule: string
  readonly partition: number
  readonly position: number
  /** The event's. */
  readonly id: string
}

/** A delivery that somebody still has to make. */
export interface OpenDelivery extends DeliveryPlace {
  /** The row's number. */
  readonly deliveryId: number
  readonly attempts: number
  /** How long it is not due yet, in milliseconds. */
  readonly earlyMs: number
}

/** What becomes of a delivery's row; `attempts` is what it was, and stands for "nobody else has settled it". */
export interface DeliveryChange {
  readonly state: 'queued' | 'parked' | 'done' | 'discarded'
  readonly attempts: number
  readonly reason: string | null
  /** How long it waits, where it stays queued. */
  readonly afterMs: number
}

export function consumerOf(rule: string): string {
  return `rule/${rule}`
}

const maxReasonLength = 2_000

function now(sql: Sql | Transaction) {
  return sql`floor(extract(epoch from clock_timestamp()) * 1000)::bigint`
}

/**
 * Writes down what rules owe an event, in the transaction that settles it for the group. Nobody waits for the answer, so
 * that a turn costs one way to Postgres and not one for each event: where it fails, the transaction does.
 */
export function owe(tx: Transaction, rules: readonly string[], event: HandlerEvent): void {
  const written = tx`
    insert into holdfast.deliveries
      (consumer, partition, position, channel, "offset", event_id, event_type, state, due, created, updated)
    select c, ${event.partition}, ${event.position}, ${event.channel}, ${event.offset}, ${event.id}::uuid, ${event.type},
           'queued', now.ms, now.ms, now.ms
    from unnest(${textArray(rules, consumerOf)}::text[]) as c, (select ${now(tx as unknown as Sql)} as ms) as now
    on conflict do nothing`
  written.execute().catch(() => undefined)
}

/** The delivery, if it is still to be made. */
export async function openDelivery(sql: Sql, place: DeliveryPlace): Promise<OpenDelivery | undefined> {
  const [row] = await sql<{ deliveryId: number; attempts: number; earlyMs: number }[]>`
    select id as "deliveryId", attempts, greatest(due - ${now(sql)}, 0) as "earlyMs"
    from holdfast.deliveries
    where consumer = ${consumerOf(place.rule)} and partition = ${place.partition} and position = ${place.position}
      and event_id = ${place.id}::uuid and state = 'queued'`
  return row && { ...place, ...row }
}

/** Settles an attempt by compare-and-set. False: another run or a person has decided meanwhile. */
export async function settle(
  sql: Sql | Transaction,
  delivery: OpenDelivery,
  change: DeliveryChange,
): Promise<boolean> {
  const settled = await sql`
    update holdfast.deliveries
    set state = ${change.state}, attempts = ${change.attempts}, reason = ${cut(change.reason)},
        due = case when ${change.state} = 'queued' then ${now(sql)} + ${change.afterMs}::bigint else due end,
        updated = ${now(sql)}
    where consumer = ${consumerOf(delivery.rule)} and partition = ${delivery.partition}
      and position = ${delivery.position} and event_id = ${delivery.id}::uuid
      and state = 'queued' and attempts = ${delivery.attempts}`
  return settled.count > 0
}

/** How jobs that others worked on have ended. Returns how many of the rows were still open. */
export async function settleEnded(
  sql: Sql,
  rule: string,
  ends: readonly (OpenDelivery & { readonly failure: string | null; readonly attemptsMade: number })[],
): Promise<number> {
  const settled = await sql`
    update holdfast.deliveries as d
    set state = case when e.failure is null then 'done' else 'parked' end, reason = e.failure,
        attempts = d.attempts + e.made, updated = ${now(sql)}
    from unnest(${intArray(ends, end => end.partition)}::int[], ${intArray(ends, end => end.position)}::bigint[],
                ${textArray(ends, end => cut(end.failure))}::text[], ${intArray(ends, end => end.attemptsMade)}::int[])
           as e (partition, position, failure, made)
    where d.consumer = ${consumerOf(rule)} and d.partition = e.partition and d.position = e.position
      and d.state = 'queued'`
  return settled.count
}

/** What a person has set to queued again: `due` is 0 until it has been enqueued. */
export function redriven(sql: Sql, rule: string, partitions: number, limit: number): Promise<OpenDelivery[]> {
  return sql<OpenDelivery[]>`
    select ${rule} as rule, partition, position, event_id as id, id as "deliveryId", attempts, 0 as "earlyMs"
    from holdfast.deliveries
    where consumer = ${consumerOf(rule)} and partition = any(${all(partitions)}::int[]) and due = 0
      and state = 'queued'
    limit ${limit}`
}

/** They have been enqueued: from now on they are looked for where they are overdue. */
export async function markEnqueued(sql: Sql, rule: string, rows: readonly OpenDelivery[]): Promise<void> {
  await sql`
    update holdfast.deliveries as d set due = ${now(sql)}
    from unnest(${intArray(rows, row => row.partition)}::int[], ${intArray(rows, row => row.position)}::bigint[])
           as e (partition, position)
    where d.consumer = ${consumerOf(rule)} and d.partition = e.partition and d.position = e.position
      and d.state = 'queued' and d.due = 0`
}

/** Where a walk over open deliveries stands. */
export interface WalkPlace {
  readonly partition: number
  readonly due: number
  readonly position: number
}

export interface OverdueDelivery extends OpenDelivery {
  readonly due: number
  /** How long it has been due, in milliseconds. */
  readonly lateMs: number
}

/** Queued deliveries in the order of the index, from a place on, that have been due for so long. */
export function overdue(
  sql: Sql,
  rule: string,
  from: WalkPlace,
  overdueMs: number,
  limit: number,
): Promise<OverdueDelivery[]> {
  return sql<OverdueDelivery[]>`
    select ${rule} as rule, partition, position, event_id as id, id as "deliveryId", attempts, due, ${now(sql)} - due as "lateMs",
           0 as "earlyMs"
    from holdfast.deliveries
    where consumer = ${consumerOf(rule)} and state = 'queued' and due > 0 and due <= ${now(sql)} - ${overdueMs}::bigint
      and (partition, due) >= (${from.partition}, ${from.due}::bigint)
      and (partition, due, position) > (${from.partition}, ${from.due}::bigint, ${from.position}::bigint)
    order by partition, due, position limit ${limit}`
}

/** Which of these deliveries are queued still. */
export async function stillQueued<Row extends DeliveryPlace>(
  sql: Sql,
  rule: string,
  rows: readonly Row[],
): Promise<Row[]> {
  const queued = await sql<{ n: number }[]>`
    select e.n::int as n
    from unnest(${intArray(rows, row => row.partition)}::int[], ${intArray(rows, row => row.position)}::bigint[])
           with ordinality as e (partition, position, n)
    join holdfast.deliveries as d
      on d.consumer = ${consumerOf(rule)} and d.partition = e.partition and d.position = e.position
    where d.state = 'queued'`
  const places = new Set(queued.map(({ n }) => n - 1))
  return rows.filter((_, i) => places.has(i))
}

function all(partitions: number): string {
  return `{${Array.from({ length: partitions }, (_, partition) => partition).join(',')}}`
}

/** What comes from outside (an answer, an error) may be long, and may hold what Postgres can't. */
function cut(reason: string | null): string | null {
  return reason === null
    ? null
    : reason.replaceAll('\u0000', '').toWellFormed().slice(0, maxReasonLength).toWellFormed()
}
