import type { Sql } from '../../platform/index.ts'
import { intArray } from '../ledger/array-literal.ts'

export interface OutboxStatus {
  /** Committed, and not in the ledger yet. */
  readonly waiting: number
  /** Since the beginning of the oldest one's transaction; 0 where none waits. */
  readonly oldestSeconds: number
  /** What the ledger can never take as it is. */
  readonly refused: number
}

export interface RefusedRow {
  readonly id: number
  readonly channel: string
  readonly type: string
  readonly eventId: string
  /** Milliseconds since 1970. */
  readonly created: number
  readonly reason: string
  /** Of the data. */
  readonly bytes: number
  /** The beginning of the data, which is JSON as a rule. */
  readonly data: string
}

/** Rows by their ids, or all that are refused when the call begins. */
export type RefusedSelection = readonly number[] | 'all'

/** Who does it, and why: recorded. `step` is told after each part how many it had. */
export interface RefusedDecision {
  readonly actor: string
  readonly reason?: string | undefined
  readonly step?: (rows: number) => void
}

export interface OutboxOperations {
  status(): Promise<OutboxStatus>
  /** The oldest first. */
  refused(page: {
    readonly limit: number
    readonly after?: number | undefined
  }): Promise<readonly RefusedRow[]>
  /** Puts refused rows at the outbox's end, to be relayed once more. Returns how many there were. */
  retry(rows: RefusedSelection, decision: RefusedDecision): Promise<number>
  /** Removes refused rows for good: these events are never recorded. Returns how many there were. */
  discard(rows: RefusedSelection, decision: RefusedDecision & { readonly reason: string }): Promise<number>
}

/** Rows of one statement. */
const batchSize = 1_000
/** Characters of an event's data that are shown. */
const shownData = 2_000

export function outboxOperations(sql: Sql): OutboxOperations {
  return {
    async status() {
      const [row] = await sql<OutboxStatus[]>`
        select count(*) filter (where refused is null) as waiting, count(*) filter (where refused is not null) as refused,
               coalesce(greatest(round(extract(epoch from clock_timestamp() - min(created) filter (where refused is null)), 3), 0), 0)::float8
                 as "oldestSeconds"
        from holdfast.outbox`
      return row ?? { waiting: 0, oldestSeconds: 0, refused: 0 }
    },
    refused: ({ limit, after = 0 }) => sql<RefusedRow[]>`
      select id, channel, type, event_id as "eventId", floor(extract(epoch from created) * 1000)::bigint as created,
             refused as reason, octet_length(data) as bytes, left(data, ${shownData}) as data
      from holdfast.outbox where refused is not null and id > ${after} order by id limit ${limit}`,
    retry: (rows, decision) => decide(sql, 'retry_outbox', rows, decision),
    discard: (rows, decision) => decide(sql, 'discard_outbox', rows, decision),
  }
}

/** Part by part, each recorded in the transaction that does it: afterwards the acts are all that tells of an event. */
async function decide(
  sql: Sql,
  act: 'retry_outbox' | 'discard_outbox',
  rows: RefusedSelection,
  decision: RefusedDecision,
): Promise<number> {
  // What is refused again meanwhile has a higher id, else this would never end.
  const [until] = await sql<{ id: number | null }[]>`
    select max(id) as id from holdfast.outbox where refused is not null`
  const chosen = rows === 'all' ? sql`true` : sql`id = any (${intArray(rows, id => id)}::bigint[])`
  let done = 0
  for (let last = batchSize; last === batchSize; done += last) {
    const [counted] = await sql<{ count: number }[]>`
      with gone as (
        delete from holdfast.outbox where id in (
          select id from holdfast.outbox
          where refused is not null and id <= ${until?.id ?? 0} and ${chosen} order by id limit ${batchSize} for update)
        returning *
      ), again as (
        insert into holdfast.outbox (channel, type, data, event_id, created)
        select channel, type, data, event_id, created from gone where ${act} = 'retry_outbox' order by id
      ), noted as (
        insert into holdfast.acts (time, actor, act, target, reason)
        select floor(extract(epoch from clock_timestamp()) * 1000), ${decision.actor}, ${act},
               format('%s %s in %s', type, event_id, channel), ${decision.reason ?? null}
        from gone order by id
      )
      select count(*) as count from gone`
    last = counted?.count ?? 0
    decision.step?.(last)
  }
  return done
}
