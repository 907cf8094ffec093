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

/** Array literals written by hand: the driver would take longer to write them than the server to read them. */
export function insertMany(sql: postgres.Sql, rows: readonly Row[]): Promise<unknown> {
  return sql`
    insert into bench.events (partition, position, channel, "offset", id, type, data, time)
    select * from unnest(
      ${literal(rows, r => r.partition)}::int[], ${literal(rows, r => r.position)}::bigint[],
      ${literal(rows, r => r.channel)}::text[], ${literal(rows, r => r.offset)}::bigint[],
      ${literal(rows, r => r.id)}::uuid[], ${literal(rows, r => r.type)}::text[],
      ${literal(rows, r => r.data)}::text[], ${literal(rows, r => r.time)}::bigint[])`
}

function literal(rows: readonly Row[], of: (row: Row) => string | number): string {
  return `{${rows.map(row => `"${String(of(row)).replace(/["\\]/g, '\\$&')}"`).join(',')}}`
}
