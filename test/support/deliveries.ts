import type { Sql } from '../../src/platform/index.ts'

/** A row of `holdfast.deliveries` as a group or a rule would have written it. */
export interface DeliveryRow {
  readonly consumer: string
  readonly channel: string
  readonly offset: number
  readonly state?: string
  readonly reason?: string | null
  readonly attempts?: number
  /** Milliseconds ago. */
  readonly age?: number
}

/** Writes a delivery of an event that the ledger has. Returns its id. */
export async function writeDelivery(sql: Sql, row: DeliveryRow): Promise<number> {
  const { consumer, channel, offset, state = 'parked', reason = 'broken', attempts = 3, age = 0 } = row
  const [written] = await sql<{ id: number }[]>`
    insert into holdfast.deliveries
      (consumer, partition, position, channel, "offset", event_id, event_type, state, attempts, reason, due, created, updated)
    select ${consumer}, partition, position, channel, "offset", id, type, ${state}, ${attempts}, ${reason}, 0,
           floor(extract(epoch from now()) * 1000) - ${age}, floor(extract(epoch from now()) * 1000) - ${age}
    from holdfast.events where channel = ${channel} and "offset" = ${offset} returning id`
  if (!written) throw new Error(`${channel} has no event ${offset}`)
  return written.id
}
