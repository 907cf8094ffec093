import type { Logger } from '../../platform/index.ts'
import type { AnsweringPool } from '../ledger/answering-pool.ts'
import {
  markEnqueued,
  type OpenDelivery,
  type OverdueDelivery,
  overdue,
  redriven,
  settle,
  settleEnded,
  stillQueued,
  type WalkPlace,
} from './delivery-rows.ts'
import type { Enqueuer } from './enqueue.ts'
import type { JobCounts } from './job-counts.ts'
import type { StoredRule } from './rule-rows.ts'

export interface ReconcilerOptions {
  readonly rows: AnsweringPool
  readonly enqueuer: Enqueuer
  readonly partitions: number
  readonly counts: JobCounts
  readonly logger: Logger
  /** A delivery that has been due for so long should have a job. */
  readonly overdueMs: number
}

/** Rows looked at in one step, and steps for a rule in one pass: others have their turn, too. */
const step = 500
const stepsPerPass = 10
const start: WalkPlace = { partition: -1, due: 0, position: 0 }

/**
 * Compares what Postgres says is owed with the jobs that Redis has. Every act of it can be repeated: a job that is there
 * is not added again, and a delivery is settled only once.
 */
export class Reconciler {
  readonly #options: ReconcilerOptions
  /** Where the walk over a rule's deliveries goes on. */
  readonly #walks = new Map<string, WalkPlace>()

  constructor(options: ReconcilerOptions) {
    this.#options = options
  }

  /** Enqueues what people have redriven. */
  async takeRedriven(rule: StoredRule): Promise<void> {
    const { rows, enqueuer, partitions, counts } = this.#options
    for (let n = 0; n < stepsPerPass; n++) {
      const found = await rows.run(sql => redriven(sql, rule.name, partitions, step))
      if (found.length === 0) return
      // A failed job stays in the queue of an application; with its id none could be added.
      if (rule.queue) await enqueuer.remove(rule.name, rule, found)
      await this.#add(rule, found)
      counts.count(rule.name, 'requeued', found.length)
      await rows.run(sql => markEnqueued(sql, rule.name, found))
      if (found.length < step) return
    }
  }

  /** Goes on with the walk over a rule's deliveries: enqueues what has lost its job. */
  async takeLost(rule: StoredRule): Promise<void> {
    const { overdueMs, enqueuer, counts, logger } = this.#options
    await this.#walk(rule, overdueMs, async found => {
      const lost = await this.#lost(rule, found)
      if (lost.length === 0) return
      const remains = await enqueuer.existing(rule.name, rule, lost)
      if (remains.some(Boolean)) await enqueuer.remove(rule.name, rule, lost)
      await this.#add(rule, lost)
      counts.count(rule.name, 'requeued', lost.length)
      logger.info({ rule: rule.name, jobs: lost.length }, 'jobs that redis had lost are enqueued again')
    })
  }

  /** Goes on with the walk over the deliveries that an application's own workers make: sees how they have ended. */
  async takeEnded(rule: StoredRule): Promise<void> {
    const { rows, overdueMs, enqueuer, counts } = this.#options
    await this.#walk(rule, 0, async found => {
      const states = await enqueuer.states(rule.name, rule, found)
      const ends = found.flatMap((row, i) => {
        const { state = 'open', failure = '', attemptsMade = 0 } = states[i] ?? {}
        if (state !== 'completed' && state !== 'failed') return []
        return [{ ...row, attemptsMade, failure: state === 'failed' ? failure : null }]
      })
      if (ends.length > 0) {
        await rows.run(sql => settleEnded(sql, rule.name, ends))
        const parked = ends.filter(end => end.failure !== null).length
        counts.count(rule.name, 'parked', parked)
        counts.count(rule.name, 'done', ends.length - parked)
        // Only now: until its end is settled, a job that has ended is what keeps another from being added.
        const completed = ends.filter(end => end.failure === null)
        if (completed.length > 0) await enqueuer.remove(rule.name, rule, completed)
      }
      const unknown = found.filter((row, i) => states[i]?.state === 'unknown' && row.lateMs >= overdueMs)
      if (unknown.length === 0) return
      // Another process that still believes to lead may have settled them, and removed their jobs, since they were read.
      const lost = await rows.run(sql => stillQueued(sql, rule.name, unknown))
      if (lost.length === 0) return
      await this.#add(rule, lost)
      counts.count(rule.name, 'requeued', lost.length)
    })
  }

  /** Those without a job; where the queue has nothing unfinished at all, what is left of jobs there is dead. */
  async #lost(rule: StoredRule, found: readonly OverdueDelivery[]): Promise<OverdueDelivery[]> {
    const { enqueuer } = this.#options
    if ((await enqueuer.unfinished(rule.name, rule)) === 0) return [...found]
    const existing = await enqueuer.existing(rule.name, rule, found)
    return found.filter((_, i) => !existing[i])
  }

  async #add(rule: StoredRule, found: readonly OpenDelivery[]): Promise<void> {
    const { rows, enqueuer, counts, logger } = this.#options
    for (const { row, state, reason } of await enqueuer.add(rule.name, rule, found)) {
      const change = { state, attempts: row.attempts, reason, afterMs: 0 }
      if (!(await rows.run(sql => settle(sql, row, change)))) continue
      counts.count(rule.name, state)
      if (state === 'parked')
        logger.error({ rule: rule.name, delivery: row.deliveryId, reason }, 'a delivery was parked')
    }
  }

  async #walk(
    rule: StoredRule,
    overdueMs: number,
    look: (found: readonly OverdueDelivery[]) => Promise<void>,
  ): Promise<void> {
    const { rows } = this.#options
    for (let n = 0; n < stepsPerPass; n++) {
      const from = this.#walks.get(rule.name) ?? start
      const found = await rows.run(sql => overdue(sql, rule.name, from, overdueMs, step))
      const last = found.at(-1)
      if (last && found.length === step) this.#walks.set(rule.name, last)
      else this.#walks.delete(rule.name)
      if (found.length > 0) await look(found)
      if (found.length < step) return
    }
  }
}
