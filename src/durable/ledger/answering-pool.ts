import { HoldfastError } from '../../domain/index.ts'
import type { Sql } from '../../platform/index.ts'
import { Slots } from '../groups/slots.ts'
import { isReadOnly, postgresError } from './postgres-error.ts'

export interface AnsweringPoolOptions {
  readonly timeoutMs: number
  /** How long other statements on a replaced pool may still take. */
  readonly graceSeconds: number
  /**
   * So many work at a time, as many as there are connections: the time of the others begins when they do. Where it is left
   * out, what waits for a connection counts as silence of Postgres.
   */
  readonly atOnce?: number
  /** So many may be at work or wait for it, each for as long as Postgres may be silent. */
  readonly mostInHand?: number
}

/** How much of a pool is in use; what runs above its limit waits. */
export interface PoolUse {
  readonly pool: string
  readonly limit: number
  readonly running: number
}

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
  readonly #slots: Slots | undefined
  readonly #mostInHand: number
  #inHand = 0
  #running = 0
  #sql: Sql

  constructor(
    open: () => Sql,
    { timeoutMs, graceSeconds, atOnce, mostInHand = Number.POSITIVE_INFINITY }: AnsweringPoolOptions,
  ) {
    this.#open = open
    this.#timeoutMs = timeoutMs
    this.#graceSeconds = graceSeconds
    this.#slots = atOnce === undefined ? undefined : new Slots(atOnce)
    this.#mostInHand = mostInHand
    this.#sql = open()
  }

  /** @throws HoldfastError OVERLOADED, DEPENDENCY_TIMEOUT, DEPENDENCY_FAILED (`cause`: the driver's error) */
  async run<T>(work: (sql: Sql) => PromiseLike<T>): Promise<T> {
    if (!this.#slots) return this.#answered(work)
    if (this.#inHand >= this.#mostInHand) throw overloaded()
    const until = performance.now() + this.#timeoutMs
    this.#inHand++
    try {
      return await this.#slots.within(async () => {
        if (performance.now() > until) throw overloaded()
        return this.#answered(work)
      })
    } finally {
      this.#inHand--
    }
  }

  /** Statements under way, those that wait for a connection of the driver's pool among them. */
  get running(): number {
    return this.#running
  }

  async #answered<T>(work: (sql: Sql) => PromiseLike<T>): Promise<T> {
    const sql = this.#sql
    this.#running++
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
      this.#running--
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

function overloaded(): HoldfastError {
  return new HoldfastError('OVERLOADED', 'too many statements wait for Postgres already')
}
