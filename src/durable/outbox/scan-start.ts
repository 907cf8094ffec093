import type { Sql } from '../../platform/index.ts'
import type { OutboxRow } from './outbox-rows.ts'

interface Bound {
  readonly id: number
  /** The transactions that were writing to the outbox after this id had been seen. */
  readonly writers: readonly string[]
  /** All of them have ended: who reads from now on sees every row up to the id that will ever be there. */
  ended: boolean
}

const lookEveryMs = 1_000
/** What a person has changed by hand may lie anywhere. */
const wholeEveryMs = 60_000

/**
 * From which id on the outbox has to be read. Reading from its beginning is always right, and costs more and more under a
 * long snapshot (a dump, a report): rows that are gone stay in the index until it ends (measured: 65 ms for 500,000).
 * An id below one that was seen can only appear when the transaction that took it commits, and until then that
 * transaction holds the lock on the table that every INSERT takes.
 */
export class ScanStart {
  #from = 0
  #highest = 0
  #bound: Bound | undefined
  #lookAt = 0
  #wholeAt = 0

  /** The first id that may be there. `now` in milliseconds. */
  async from(sql: Sql, now: number): Promise<number> {
    if (now >= this.#wholeAt) {
      this.#wholeAt = now + wholeEveryMs
      this.#from = 0
      this.#bound = undefined
    }
    if (this.#highest >= this.#from && now >= this.#lookAt) {
      this.#lookAt = now + lookEveryMs
      const writing = await writers(sql)
      this.#bound ??= { id: this.#highest, writers: [...writing], ended: false }
      this.#bound.ended ||= !this.#bound.writers.some(writer => writing.has(writer))
    }
    return this.#from
  }

  /** What a read from there has found, lowest id first. */
  saw(rows: readonly OutboxRow[]): void {
    const first = rows[0]?.id ?? Number.POSITIVE_INFINITY
    if (this.#bound?.ended && first > this.#bound.id) {
      this.#from = this.#bound.id + 1
      this.#bound = undefined
    }
    this.#highest = Math.max(this.#highest, rows.at(-1)?.id ?? 0)
  }
}

async function writers(sql: Sql): Promise<ReadonlySet<string>> {
  const rows = await sql<{ writer: string }[]>`
    select virtualtransaction as writer from pg_locks
    where locktype = 'relation' and relation = 'holdfast.outbox'::regclass and mode = 'RowExclusiveLock'
      and database = (select oid from pg_database where datname = current_database())`
  return new Set(rows.map(row => row.writer))
}
