import type { Logger } from '../../platform/index.ts'
import type { Handler } from '../groups/types.ts'
import type { Delivering } from './delivering.ts'
import { queueOf } from './enqueue.ts'
import type { JobRedis } from './job-redis.ts'
import { JobWorker, type WorkerTimings } from './job-worker.ts'
import type { Rule } from './rule.ts'
import type { WorkerRedis } from './worker-redis.ts'

export interface RuleWorkersOptions {
  /** Undefined where no Redis is configured: deliveries are written down, and wait. */
  readonly redis: { readonly jobs: JobRedis; readonly workers: WorkerRedis } | undefined
  readonly prefix: string
  readonly delivering: Delivering
  readonly timings: WorkerTimings
  readonly logger: Logger
}

interface Working {
  readonly worker: JobWorker
  /** Since when jobs have been waiting, at every look. */
  waitingSince: number | undefined
}

/** A worker that has room, and leaves jobs waiting for so long, is taken for dead. */
const deadMs = 30_000

/** This process's workers: one for each rule that it can serve, so that a slow receiver delays no other rule. */
export class RuleWorkers {
  readonly #options: RuleWorkersOptions
  readonly #working = new Map<string, Working>()

  constructor(options: RuleWorkersOptions) {
    this.#options = options
  }

  /** Begins to work on a rule's jobs; `handler` is undefined for a webhook. */
  begin(rule: Rule, handler: Handler | undefined): void {
    const { delivering } = this.#options
    this.beginQueue(queueOf(rule.name), rule.concurrency, {
      work: (data, signal) => delivering.work(rule, handler, data, signal),
      failed: (data, reason) => void delivering.failed(rule, data, reason),
    })
  }

  beginQueue(
    queue: string,
    concurrency: number,
    acts: Pick<ConstructorParameters<typeof JobWorker>[0], 'work' | 'failed'>,
  ): void {
    const { redis, prefix, timings, logger } = this.#options
    if (!redis || this.#working.has(queue)) return
    const { redis: connection } = redis.workers
    const worker = new JobWorker({
      queue,
      prefix,
      redis: connection,
      concurrency,
      timings,
      logger,
      ...acts,
    })
    this.#working.set(queue, { worker, waitingSince: undefined })
  }

  /** Replaces workers that have died silently, as they may after a reconnect. */
  async lookAfter(): Promise<void> {
    const { redis, prefix, logger } = this.#options
    if (!redis?.jobs.reachable) return
    for (const [queue, working] of this.#working) {
      const { waiting } = await redis.jobs.counts(queue, prefix)
      if (waiting === 0 || !working.worker.silentFor(deadMs)) {
        working.waitingSince = undefined
        continue
      }
      working.waitingSince ??= Date.now()
      if (Date.now() - working.waitingSince < deadMs) continue
      logger.warn({ queue, waiting }, 'a worker has stopped taking jobs; another one takes its place')
      working.waitingSince = undefined
      working.worker.restart()
    }
  }

  async close(withinMs: number): Promise<void> {
    await Promise.all([...this.#working.values()].map(({ worker }) => worker.close(withinMs)))
  }
}
