import { HoldfastError } from '../../domain/index.ts'
import type { Sql } from '../../platform/index.ts'
import { isReadOnly, postgresError } from './postgres-error.ts'

/** Above what a statement may take. */
const renewGraceSeconds = 5

/**
 * A pool that is replaced when it does not answer in time: over a lost route or beside a frozen server a
 * connection never fails, it just stays silent. What the given-up statements did is unknown.
 */
export class AnsweringPool {
  readonly #open: () => Sql
  readonly #timeoutMs: number
  readonly #graceSeconds: number
  #sql: Sql

  /** `graceSeconds`: how long other statements on a replaced pool may still take. */
  constructor(open: () => Sql, options: { timeoutMs: number; graceSeconds: number }) {
    this.#open = open
    this.#timeoutMs = options.timeoutMs
    this.#graceSeconds = options.graceSeconds
    this.#sql = open()
  }

  /** @throws HoldfastError DEPENDENCY_TIMEOUT, DEPENDENCY_FAILED (`cause`: the driver's error) */
  async run<T>(work: (sql: Sql) => PromiseLike<T>): Promise<T> {
    const sql = this.#sql
    let timer: NodeJS.Timeout | undefined
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.#replace(sql)
        reject(new HoldfastError('DEPENDENCY_TIMEOUT', `Postgres has not answered for ${this.#timeoutMs} ms`))
      }, this.#timeoutMs)
    })
    try {
      return await Promise.race([work(sql), silence])
    } catch (error) {
      // A standby stays one; the address may lead to the primary by now.
      if (isReadOnly(error)) this.#replace(sql)
      throw postgresError(error)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Statements from now on get new connections; those under way go on. */
  renew(): void {
    this.#replace(this.#sql, renewGraceSeconds)
  }

  async close(): Promise<void> {
    await this.#sql.end({ timeout: 1 })
  }

  #replace(silent: Sql, graceSeconds = this.#graceSeconds): void {
    if (silent !== this.#sql) return
    this.#sql = this.#open()
    silent.end({ timeout: graceSeconds }).catch(() => {})
  }
}
