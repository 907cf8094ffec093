import { HoldfastError } from '../../domain/index.ts'
import type { Sql } from '../../platform/index.ts'
import type { Breakers, Guard } from '../../resilience/index.ts'
import { blamesPostgres, isReadOnly } from './postgres-error.ts'

/**
 * A commit may take its time behind a checkpoint or somebody's lock, and a page of large events, too. So a statement
 * without an answer for this long says nothing yet: the server is asked for a sign of life, and is given as long.
 * Together less than the second in which a hung Postgres has to be noticed.
 */
const slowMs = 400
/** Above what the pools give their statements. */
const deadlineMs = 6_000
/** A new connection each, at most: a server that starts after a crash should find its time for recovery. */
const restMs = { first: 100, most: 1_000 }
/** A question without an answer for so long has a connection that is dead. */
const silentMs = 2_000

export interface LedgerGuard {
  readonly guard: Guard
  close(): Promise<void>
}

/** `onReadOnly`: the server that answers takes no writes (any more); another connection may lead to one that does. */
export function createLedgerGuard(options: {
  readonly open: () => Sql
  readonly breakers: Breakers
  readonly onReadOnly: () => void
}): LedgerGuard {
  const life = new SignOfLife(options.open, options.onReadOnly)
  const guard = options.breakers.guard('ledger', {
    name: 'Postgres',
    deadlineMs,
    slowMs,
    slowness: 'doubt',
    probeMs: slowMs,
    restMs,
    probe: () => life.ask(),
    blames: error => (isReadOnly(error) ? 'at once' : blamesPostgres(error)),
  })
  return {
    guard,
    async close() {
      guard.close()
      await life.close()
    },
  }
}

/**
 * Asks Postgres whether it lives and takes writes, over one connection of its own: the pools' may all be busy. One
 * question at a time: beside a frozen server whoever asks again waits for the same answer, and no connections pile up
 * in front of it.
 */
class SignOfLife {
  readonly #open: () => Sql
  readonly #onReadOnly: () => void
  #sql: Sql
  #question: { readonly answer: Promise<void>; readonly askedAt: number } | undefined

  constructor(open: () => Sql, onReadOnly: () => void) {
    this.#open = open
    this.#onReadOnly = onReadOnly
    this.#sql = open()
  }

  ask(): Promise<void> {
    if (this.#question && performance.now() - this.#question.askedAt > silentMs) this.#renew()
    this.#question ??= { answer: this.#answer(this.#sql), askedAt: performance.now() }
    return this.#question.answer
  }

  async close(): Promise<void> {
    await this.#sql.end({ timeout: 1 })
  }

  async #answer(sql: Sql): Promise<void> {
    try {
      const [server] = await sql<{ refuses: boolean }[]>`
        select current_setting('transaction_read_only') = 'on' as refuses`
      if (!server?.refuses) {
        if (sql === this.#sql) this.#question = undefined
        return
      }
    } catch (error) {
      // The driver waits longer and longer before it connects again; here the breaker decides when.
      if (sql === this.#sql) this.#renew()
      throw error
    }
    if (sql === this.#sql) this.#renew()
    this.#onReadOnly()
    throw new HoldfastError(
      'DEPENDENCY_FAILED',
      'this Postgres is a standby now; the ledger needs the primary',
    )
  }

  #renew(): void {
    const old = this.#sql
    this.#question = undefined
    this.#sql = this.#open()
    old.end({ timeout: 0 }).catch(() => undefined)
  }
}
