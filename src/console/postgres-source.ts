import { asHoldfastError, HoldfastError } from '../domain/index.ts'
import { AnsweringPool } from '../durable/index.ts'
import { connectPostgres, type Logger, type Sql } from '../platform/index.ts'
import type { Source } from './wire-common.ts'

/** Somebody looks at the page: an answer that is later than this is none. */
const answerMs = 2_000
/** After a silence, so long nobody waits for another one. */
const restMs = 1_000
/** Connections, and statements that may be at work or wait for one. */
const poolSize = 2
const mostInHand = 24

/**
 * Postgres as the console asks it: over connections of its own, so that neither waits for the other, and never for longer
 * than somebody who looks at a page would.
 */
export class PostgresSource {
  readonly #pool: AnsweringPool | undefined
  #answeredAt: number | undefined
  #problem: string | undefined
  #silentUntil = 0

  constructor(url: string | undefined, logger: Logger) {
    const open = () =>
      connectPostgres(url ?? '', {
        max: poolSize,
        applicationName: 'holdfast-console',
        statementTimeoutMs: answerMs,
        logger,
      })
    this.#pool =
      url === undefined
        ? undefined
        : new AnsweringPool(open, { timeoutMs: answerMs, graceSeconds: 0, atOnce: poolSize, mostInHand })
  }

  get configured(): boolean {
    return this.#pool !== undefined
  }

  /** @throws HoldfastError NOT_AVAILABLE, OVERLOADED, DEPENDENCY_*, or what `work` throws */
  async run<T>(work: (sql: Sql) => PromiseLike<T>): Promise<T> {
    if (!this.#pool) throw new HoldfastError('NOT_AVAILABLE', 'this needs Postgres, and none is configured')
    if (performance.now() < this.#silentUntil)
      throw new HoldfastError('DEPENDENCY_REJECTED', this.#problem ?? 'Postgres does not answer')
    try {
      const value = await this.#pool.run(work)
      this.#answeredAt = Date.now()
      this.#problem = undefined
      return value
    } catch (thrown) {
      const error = asHoldfastError(thrown)
      // A refusal is an answer, too.
      if (error.remedy === 'retry_later' && error.code !== 'OVERLOADED') {
        this.#problem = error.message
        this.#silentUntil = performance.now() + restMs
      }
      throw error
    }
  }

  state(): Source {
    const answeredAt = this.#answeredAt ?? null
    if (!this.#pool) return { name: 'postgres', state: 'not_configured', answeredAt, problem: null }
    const problem = this.#problem ?? null
    return { name: 'postgres', state: problem === null ? 'answering' : 'silent', answeredAt, problem }
  }

  async close(): Promise<void> {
    await this.#pool?.close()
  }
}
