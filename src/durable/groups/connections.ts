import { connectPostgres, type Logger, type Sql, type Transaction } from '../../platform/index.ts'
import type { PoolUse } from '../ledger/answering-pool.ts'

/** A handler without a heartbeat, by default; what the sessions are set to. */
export const usualTimeoutMs = 30_000
/** A session that idles in a transaction for longer than a handler may belongs to a process that hangs. */
const idleSpareMs = 10_000
/** Far longer than a settlement holds a lock. */
const lockTimeoutMs = 10_000

/** The settings under which handlers of a group with another timeout work: for the transaction only. */
function timeoutSettings(handlerTimeoutMs: number): { statement: string; idle: string } {
  return { statement: `${handlerTimeoutMs}`, idle: `${handlerTimeoutMs + idleSpareMs}` }
}

/**
 * The connections in which handlers work, each in a pool of its own: one whose handler does not come back is cut for
 * ever, and the transaction with it, and nothing that the handler still sends can reach another's.
 */
export class Connections {
  readonly #open: () => Sql
  readonly #idle: Sql[] = []
  readonly #all = new Set<Sql>()
  readonly #waiting: ((sql: Sql) => void)[] = []
  readonly #count: number
  #spare: number

  constructor(url: string, count: number, logger: Logger, orm: boolean) {
    this.#count = count
    this.#spare = count
    const { idle, statement } = timeoutSettings(usualTimeoutMs)
    this.#open = () => {
      const sql = connectPostgres(url, {
        max: 1,
        applicationName: 'holdfast-groups',
        settings: {
          statement_timeout: statement,
          idle_in_transaction_session_timeout: idle,
          lock_timeout: `${lockTimeoutMs}`,
          // Times are told of as everybody else reads them, whatever the zone of the database.
          ...(orm && { timezone: 'UTC' }),
        },
        orm,
        logger,
      })
      this.#all.add(sql)
      return sql
    }
  }

  /** Waits, in the order of coming, until one is free; give it back with `free` or `cut`. */
  async take(): Promise<Sql> {
    const idle = this.#idle.pop()
    if (idle) return idle
    if (this.#spare > 0) {
      this.#spare--
      return this.#open()
    }
    return new Promise(resolve => this.#waiting.push(resolve))
  }

  get use(): PoolUse {
    const busy = this.#count - this.#spare - this.#idle.length
    return { pool: 'groups', limit: this.#count, running: busy + this.#waiting.length }
  }

  free(sql: Sql): void {
    const next = this.#waiting.shift()
    if (next) next(sql)
    else this.#idle.push(sql)
  }

  /** Ends the connection at once; Postgres rolls back what it had not committed. */
  cut(sql: Sql): void {
    this.#all.delete(sql)
    sql.end({ timeout: 0 }).catch(() => undefined)
    const next = this.#waiting.shift()
    if (next) next(this.#open())
    else this.#spare++
  }

  async close(): Promise<void> {
    await Promise.all([...this.#all].map(sql => sql.end({ timeout: 1 })))
  }
}

/** Gives a transaction's handlers so long, in place of the usual time. */
export function allow(tx: Transaction, handlerTimeoutMs: number): void {
  const { statement, idle } = timeoutSettings(handlerTimeoutMs)
  tx`select set_config('statement_timeout', ${statement}, true),
            set_config('idle_in_transaction_session_timeout', ${idle}, true)`
    .execute()
    .catch(() => undefined)
}
