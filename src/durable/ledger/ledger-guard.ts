import { HoldfastError } from '../../domain/index.ts'
import type { Logger, Sql } from '../../platform/index.ts'
import type { Breakers, Guard } from '../../resilience/index.ts'
import { blamesPostgres, isFull, isReadOnly } from './postgres-error.ts'
import { type ServerKind, serverKind } from './server-kind.ts'

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
  /** Whether the primary was last seen to take no writes. */
  readonly readOnly: boolean
  /** An answer has told what kind of server it came from: a node on which nobody appends would not notice otherwise. */
  learn(kind: ServerKind): void
  close(): Promise<void>
}

export interface LedgerGuardParts {
  readonly open: () => Sql
  /** Asks over a connection that exists already, if there is one. */
  readonly borrow: <T>(work: (sql: Sql) => PromiseLike<T>) => Promise<T>
  readonly breakers: Breakers
  /** The server that answers is a standby (by now); another connection may lead to the primary. */
  readonly onStandby: () => void
  readonly logger?: Logger
}

export function createLedgerGuard(parts: LedgerGuardParts): LedgerGuard {
  const life = new SignOfLife(parts)
  const guard = parts.breakers.guard('ledger', {
    name: 'Postgres',
    deadlineMs,
    slowMs,
    slowness: 'doubt',
    probeMs: slowMs,
    restMs,
    probe: () => life.ask(),
    // A primary that takes no writes still answers reads: only what is refused has failed.
    blames: error => (isReadOnly(error) ? !life.readOnlyPrimary && 'at once' : blamesPostgres(error)),
  })
  return {
    guard,
    get readOnly() {
      return life.readOnlyPrimary
    },
    learn(kind) {
      if (kind === 'standby') guard.trip('it is a standby')
      else life.learn(kind)
    },
    async close() {
      guard.close()
      await life.close()
    },
  }
}

/**
 * Asks Postgres whether it lives and is the primary, over one connection of its own: the pools' may all be busy. One
 * question at a time: beside a frozen server whoever asks again waits for the same answer, and no connections pile up
 * in front of it.
 */
class SignOfLife {
  readonly #parts: LedgerGuardParts
  #sql: Sql
  #question: { readonly answer: Promise<void>; readonly askedAt: number } | undefined
  #readOnlyPrimary = false

  constructor(parts: LedgerGuardParts) {
    this.#parts = parts
    this.#sql = parts.open()
  }

  get readOnlyPrimary(): boolean {
    return this.#readOnlyPrimary
  }

  ask(): Promise<void> {
    const question = this.#question
    if (question && performance.now() - question.askedAt > silentMs) this.#askAnother()
    return (this.#question ?? this.#put(this.#sql)).answer
  }

  async close(): Promise<void> {
    await this.#sql.end({ timeout: 1 })
  }

  #put(sql: Sql) {
    this.#question = { answer: this.#answer(sql), askedAt: performance.now() }
    return this.#question
  }

  async #answer(sql: Sql): Promise<void> {
    let kind: ServerKind
    try {
      kind = await kindOf(sql)
    } catch (error) {
      // The driver waits longer and longer before it connects again; here the breaker decides when.
      if (sql === this.#sql) this.#renew()
      if (!isFull(error)) throw error
      // No place for one more connection, while those that exist may work.
      kind = await this.#parts.borrow(kindOf)
    }
    if (kind !== 'standby') {
      if (sql === this.#sql) this.#question = undefined
      return this.learn(kind)
    }
    if (sql === this.#sql) this.#renew()
    this.#parts.onStandby()
    this.#readOnlyPrimary = false
    throw new HoldfastError(
      'DEPENDENCY_FAILED',
      'this Postgres is a standby now; the ledger needs the primary',
    )
  }

  learn(kind: 'primary' | 'read-only primary'): void {
    const readOnly = kind === 'read-only primary'
    if (readOnly && !this.#readOnlyPrimary)
      this.#parts.logger?.error(
        'this Postgres is the primary, but takes no writes (default_transaction_read_only is on; is its disk full?): durable appends fail until it does',
      )
    if (!readOnly && this.#readOnlyPrimary) this.#parts.logger?.info('this Postgres takes writes again')
    this.#readOnlyPrimary = readOnly
  }

  /** The silent connection keeps its place at the server until the new one is known to have got its own. */
  #askAnother(): void {
    const silent = this.#sql
    this.#sql = this.#parts.open()
    const end = () => void silent.end({ timeout: 0 }).catch(() => undefined)
    this.#put(this.#sql).answer.then(end, end)
  }

  #renew(): void {
    const old = this.#sql
    this.#question = undefined
    this.#sql = this.#parts.open()
    old.end({ timeout: 0 }).catch(() => undefined)
  }
}

async function kindOf(sql: Sql): Promise<ServerKind> {
  const [server] = await sql<{ kind: ServerKind }[]>`select ${serverKind(sql)} as kind`
  return server?.kind ?? 'primary'
}
