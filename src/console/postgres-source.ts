import { asHoldfastError, HoldfastError } from '../domain/index.ts'
import { AnsweringPool, blamesPostgres } from '../durable/index.ts'
import { connectPostgres, type Logger, type Sql } from '../platform/index.ts'
import type { Source } from './wire-common.ts'

/** Somebody looks at the page: an answer that is later than this is none. */
const answerMs = 2_000
/** Postgres gives a statement up before that, so that one which takes long is not taken for silence. */
const statementMs = 1_700
/** What is given up leaves the others on its connections so long to end. */
const graceSeconds = 2
/** A statement that takes no time is answered within this, or Postgres is silent. */
const doubtMs = 1_000
/** After a silence, so long nobody waits for another one. */
const restMs = 1_000
/** Connections, and statements at work, of each kind; statements that may be at work or wait for one. */
const duties = 1
const questions = 2
const mostInHand = 24

interface Pools {
  readonly duties: AnsweringPool
  readonly questions: AnsweringPool
  readonly doubts: AnsweringPool
}

/**
 * Postgres as the console asks it: over connections of its own, so that neither waits for the other, and never for longer
 * than somebody who looks at a page would. What must happen has a connection that no question can take.
 */
export class PostgresSource {
  readonly #pools: Pools | undefined
  #answeredAt: number | undefined
  #problem: string | undefined
  #silentUntil = 0
  #doubt: Promise<void> | undefined

  constructor(url: string | undefined, logger: Logger) {
    if (url === undefined) return
    const pool = (max: number, timeoutMs = answerMs) => {
      const options = { max, applicationName: 'holdfast-console', statementTimeoutMs: statementMs, logger }
      const bounds = { timeoutMs, graceSeconds, atOnce: max, mostInHand }
      return new AnsweringPool(() => connectPostgres(url, options), bounds)
    }
    this.#pools = { duties: pool(duties), questions: pool(questions), doubts: pool(1, doubtMs) }
  }

  get configured(): boolean {
    return this.#pools !== undefined
  }

  /**
   * What must happen: short statements.
   * @throws HoldfastError NOT_AVAILABLE, OVERLOADED, DEPENDENCY_*, or what `work` throws
   */
  async run<T>(work: (sql: Sql) => PromiseLike<T>): Promise<T> {
    return this.#answered('duties', work)
  }

  /**
   * What somebody wants to know, which may take longer than it may.
   * @throws HoldfastError NOT_AVAILABLE, OVERLOADED, DEPENDENCY_*, or what `work` throws
   */
  async ask<T>(work: (sql: Sql) => PromiseLike<T>): Promise<T> {
    return this.#answered('questions', work)
  }

  state(): Source {
    const answeredAt = this.#answeredAt ?? null
    if (!this.#pools) return { name: 'postgres', state: 'not_configured', answeredAt, problem: null }
    const problem = this.#problem ?? null
    return { name: 'postgres', state: problem === null ? 'answering' : 'silent', answeredAt, problem }
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#pools ?? {}).map((pool: AnsweringPool) => pool.close()))
  }

  async #answered<T>(kind: 'duties' | 'questions', work: (sql: Sql) => PromiseLike<T>): Promise<T> {
    if (!this.#pools) throw new HoldfastError('NOT_AVAILABLE', 'this needs Postgres, and none is configured')
    if (performance.now() < this.#silentUntil)
      throw new HoldfastError('DEPENDENCY_REJECTED', this.#problem ?? 'Postgres does not answer')
    try {
      const value = await this.#pools[kind].run(work)
      this.#heard()
      return value
    } catch (thrown) {
      const error = asHoldfastError(thrown)
      if (!isSilence(error)) {
        // A refusal is an answer, too.
        if (error.details['postgres']) this.#heard()
      } else if (this.#problem === undefined) this.#makeSure(this.#pools.doubts, error)
      else this.#silent(error)
      throw error
    }
  }

  /** One question alone proves no silence: it may be several statements that take long, or stand beside one that was given up. */
  #makeSure(doubts: AnsweringPool, error: HoldfastError): void {
    this.#doubt ??= doubts
      .run(sql => sql`select 1`)
      .then(
        () => this.#heard(),
        () => this.#silent(error),
      )
      .finally(() => {
        this.#doubt = undefined
      })
  }

  #heard(): void {
    this.#answeredAt = Date.now()
    this.#problem = undefined
    this.#silentUntil = 0
  }

  #silent({ message }: HoldfastError): void {
    this.#problem = message
    this.#silentUntil = performance.now() + restMs
  }
}

/** Whether it speaks of Postgres itself: the next statement would fare no better. */
export function isSilence(error: unknown): boolean {
  if (!(error instanceof HoldfastError)) return false
  if (error.code === 'DEPENDENCY_REJECTED') return true
  return (error.code === 'DEPENDENCY_TIMEOUT' && error.cause === undefined) || blamesPostgres(error)
}
