import { randomUUID } from 'node:crypto'
import type postgres from 'postgres'
import { eventData } from '../load/event-data.ts'

/** A table with the columns and indexes of the ledger's, but nothing of its promises. */
export const table = 'bench.events'

export interface Row {
  readonly partition: number
  readonly position: number
  readonly channel: string
  readonly offset: number
  readonly id: string
  readonly type: string
  readonly data: string
  readonly time: number
}

/** Rows with positions and offsets that are dense per writer, as the ledger's are per partition. */
export class RowSource {
  readonly #writer: number
  #last = 0

  /** Each writer has a number of its own, so that none waits for another's index entries. */
  constructor(writer: number) {
    this.#writer = writer
  }

  next(): Row {
    const n = ++this.#last
    return {
      partition: this.#writer,
      position: n,
      channel: `facts:writer-${this.#writer}`,
      offset: n,
      id: randomUUID(),
      type: 'OrderPlaced',
      data: eventData(n),
      time: Date.now(),
    }
  }

  take(count: number): Row[] {
    return Array.from({ length: count }, () => this.next())
  }
}

export function insertOne(sql: postgres.Sql, row: Row): Promise<unknown> {
  return sql`
    insert into bench.events (partition, position, channel, "offset", id, type, data, time)
    values (${row.partition}, ${row.position}, ${row.channel}, ${row.offset}, ${row.id}, ${row.type}, ${row.data}, ${row.time})`
}

export function insertMany(sql: postgres.Sql, rows: readonly Row[]): Promise<unknown> {
  return sql`
    insert into bench.events (partition, position, channel, "offset", id, type, data, time)
    select * from unnest(
      ${rows.map(r => r.partition)}::int[], ${rows.map(r => r.position)}::bigint[],
      ${rows.map(r => r.channel)}::text[], ${rows.map(r => r.offset)}::bigint[],
      ${rows.map(r => r.id)}::uuid[], ${rows.map(r => r.type)}::text[],
      ${rows.map(r => r.data)}::text[], ${rows.map(r => r.time)}::bigint[])`
}
