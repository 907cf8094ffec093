import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type postgres from 'postgres'
import { insertMany, type Row } from './event-rows.ts'

const key = 'bench:buffer'
const flushRows = 100
const flushMs = 500

/**
 * The Redis list as a buffer before Postgres: an event counts as accepted when RPUSH has answered; one writer pops
 * up to 100 rows with LMPOP as soon as there are that many, else every 500 ms, and inserts them by UNNEST. What it
 * has popped is lost if it dies before the insert; that is the usual design, and its price is not measured here.
 */
export class ListBuffer {
  readonly #redis: Redis
  readonly #writer: Redis
  readonly #sql: postgres.Sql
  readonly #loop: Promise<void>
  #waiting = 0
  #enough = Promise.withResolvers<void>()
  #open = true
  /** Called with each batch that Postgres has committed. */
  onCommitted: (rows: readonly Row[]) => void = () => undefined

  constructor(redisUrl: string, sql: postgres.Sql) {
    this.#redis = new Redis(redisUrl)
    this.#writer = new Redis(redisUrl)
    this.#sql = sql
    this.#loop = this.#flushForEver()
  }

  /** Rows accepted but not yet popped. */
  get waiting(): number {
    return this.#waiting
  }

  async accept(rows: readonly Row[]): Promise<void> {
    await this.#redis.rpush(key, ...rows.map(row => JSON.stringify(row)))
    this.#waiting += rows.length
    if (this.#waiting >= flushRows) this.#enough.resolve()
  }

  async close(): Promise<void> {
    this.#open = false
    this.#enough.resolve()
    await this.#loop
    this.#redis.disconnect()
    this.#writer.disconnect()
  }

  async #flushForEver(): Promise<void> {
    while (this.#open) {
      if (this.#waiting < flushRows) {
        this.#enough = Promise.withResolvers()
        await Promise.race([this.#enough.promise, delay(flushMs)])
      }
      const popped = await this.#writer.lmpop(1, key, 'LEFT', 'COUNT', flushRows)
      if (!popped) continue
      const rows = (popped[1] as string[]).map(text => JSON.parse(text) as Row)
      this.#waiting -= rows.length
      await insertMany(this.#sql, rows)
      this.onCommitted(rows)
    }
  }
}
