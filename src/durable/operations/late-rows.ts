import type { Sql } from '../../platform/index.ts'

/** As long as a handler may take at most, if it does not say that it is alive, and an hour. */
const lateMs = 25 * 3_600_000

/**
 * Takes the type and the reason of events that were erased under these ids out of deliveries' rows. Who has had an event in
 * hand since before the erasure writes the row when it is done with it. A row that somebody is at work on is left.
 */
export async function blankRows(sql: Sql, from: number, through: number): Promise<void> {
  await sql`select holdfast.blank_deliveries(${from}, ${through})`
}

/** Blanks the rows of all erasures after which one may still be written. */
export class LateRows {
  readonly #sql: Sql
  /** The erasures before it are too old. */
  #from = 0

  constructor(sql: Sql) {
    this.#sql = sql
  }

  async blank(): Promise<void> {
    const [first] = await this.#sql<{ id: number }[]>`
      select id from holdfast.erasures
      where id >= ${this.#from} and time > floor(extract(epoch from clock_timestamp()) * 1000) - ${lateMs}::bigint
      order by id limit 1`
    if (!first) return
    this.#from = first.id
    await blankRows(this.#sql, first.id, Number.MAX_SAFE_INTEGER)
  }
}
