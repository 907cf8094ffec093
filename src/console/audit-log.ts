import { HoldfastError, storable } from '../domain/index.ts'
import { isAboutContent } from '../durable/index.ts'
import type { Logger } from '../platform/index.ts'
import type { PostgresSource } from './postgres-source.ts'
import { type RecordedAct, writeActs } from './store.ts'

/** Acts that wait for Postgres; above it the oldest stay in the log alone. */
const mostWaiting = 1_000

/**
 * What people have done over the console and nobody else records: in the node's log at once, and in Postgres as soon as that
 * answers.
 */
export class AuditLog {
  readonly #logger: Logger
  #waiting: RecordedAct[] = []

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** What is not written yet, the newest first. */
  get waiting(): readonly RecordedAct[] {
    return this.#waiting.toReversed()
  }

  record(act: Omit<RecordedAct, 'time'>): void {
    const { actor, target, reason, outcome } = act
    this.#logger.warn({ actor, act: act.act, target, reason, outcome }, 'an operator has acted')
    this.#waiting.push({
      time: Date.now(),
      actor: storable(actor),
      act: act.act,
      target: storable(target),
      reason: reason === null ? null : storable(reason),
      outcome: storable(outcome),
    })
    if (this.#waiting.length > mostWaiting) this.#waiting.shift()
  }

  async write(postgres: PostgresSource): Promise<void> {
    const acts = this.#waiting
    if (acts.length === 0 || !postgres.configured) return
    // Taken out first: written twice would be told twice. Where it fails they go back.
    this.#waiting = []
    try {
      await postgres.run(sql => writeActs(sql, acts))
    } catch (error) {
      if (refusesContent(error) && acts.length > 1) return this.#writeEach(postgres, acts)
      this.#failed(acts, error)
    }
  }

  /** One that Postgres will never take must not keep the others from being written. */
  async #writeEach(postgres: PostgresSource, acts: readonly RecordedAct[]): Promise<void> {
    for (const [i, act] of acts.entries()) {
      try {
        await postgres.run(sql => writeActs(sql, [act]))
      } catch (error) {
        this.#failed(refusesContent(error) ? [act] : acts.slice(i), error)
      }
    }
  }

  /** @throws `error`, unless it is about what the act says: then that stands in the log of the node alone. */
  #failed(acts: readonly RecordedAct[], error: unknown): void {
    if (refusesContent(error)) {
      this.#logger.error({ err: error, acts }, 'Postgres refuses what was done: it is not in the audit log')
      return
    }
    this.#waiting = [...acts, ...this.#waiting].slice(-mostWaiting)
    throw error
  }
}

function refusesContent(error: unknown): boolean {
  return error instanceof HoldfastError && isAboutContent(error)
}
