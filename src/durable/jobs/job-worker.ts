import { DelayedError, type Job, Worker } from 'bullmq'
import type { Logger, RedisConnection } from '../../platform/index.ts'
import { isListening, jobTelemetry } from '../../tracing/index.ts'
import { within } from '../mirror/deadline.ts'

/** A job is over, or is to come again later. */
export type JobEnd = 'ended' | { readonly afterMs: number }

export interface JobWorkerOptions {
  readonly queue: string
  readonly prefix: string
  readonly redis: RedisConnection['client']
  readonly concurrency: number
  /** The signal is aborted when the process can wait no longer. */
  readonly work: (data: unknown, signal: AbortSignal) => Promise<JobEnd>
  /** A job has failed without an answer of `work`: its workers were killed again and again, or `work` threw. */
  readonly failed: (data: unknown, reason: string) => void
  readonly logger: Logger
  readonly timings: WorkerTimings
}

export interface WorkerTimings {
  /** A worker that is not heard of for so long has lost its jobs. */
  readonly lockMs: number
  /** How often workers look for such jobs; found twice, they are taken over. */
  readonly stalledMs: number
}

/** What aborted handlers get to end in. */
const abortPatienceMs = 1_000

/** A BullMQ worker that never counts attempts: rows in Postgres do, BullMQ is told when a job comes again. */
export class JobWorker {
  readonly #options: JobWorkerOptions
  readonly #aborting = new AbortController()
  #worker: Worker
  /** Those that were replaced, as long as they have work in hand. */
  readonly #former = new Set<Promise<void>>()
  #active = 0
  #heard = Date.now()
  #closed = false

  constructor(options: JobWorkerOptions) {
    this.#options = options
    this.#worker = this.#open()
  }

  /** Whether it could take a job, and has taken or looked for none for so long. */
  silentFor(ms: number): boolean {
    return this.#active < this.#options.concurrency && Date.now() - this.#heard > ms
  }

  /** Puts a new worker in the place of one that does not take jobs any more; what it has in hand it finishes. */
  restart(): void {
    if (this.#closed) return
    const former = this.#worker
    this.#heard = Date.now()
    this.#worker = this.#open()
    const closing = former.close().catch(() => undefined)
    this.#former.add(closing)
    closing.then(() => this.#former.delete(closing))
  }

  /** Finishes what is in hand, at most so long; then aborts it, so that it comes again elsewhere. */
  async close(withinMs: number): Promise<void> {
    this.#closed = true
    const closing = Promise.all([this.#worker.close(), ...this.#former])
    await within(closing, withinMs, 'the work in hand').catch(async () => {
      this.#aborting.abort(new Error('the process stops'))
      await within(closing, abortPatienceMs, 'aborted work').catch(() => undefined)
    })
    closing.catch(() => undefined)
  }

  #open(): Worker {
    const { queue, prefix, redis, concurrency, logger, timings } = this.#options
    const worker = new Worker(queue, (job, token) => this.#work(job, token), {
      connection: redis,
      prefix,
      concurrency,
      lockDuration: timings.lockMs,
      stalledInterval: timings.stalledMs,
      // Postgres remembers; a job that stayed here would keep one with its id from being added again.
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
      // BullMQ's 15 s would be how long nothing is done after Redis has come back.
      runRetryDelay: 1_000,
      ...(isListening() && { telemetry: jobTelemetry() }),
    })
    worker.on('drained', () => {
      this.#heard = Date.now()
    })
    worker.on('error', error => {
      if (!this.#closed) logger.debug({ err: error, queue }, 'a worker of jobs has an error')
    })
    worker.on('failed', (job, error) => {
      if (job) this.#options.failed(job.data, error.message)
    })
    return worker
  }

  async #work(job: Job, token: string | undefined): Promise<void> {
    this.#active += 1
    this.#heard = Date.now()
    try {
      const end = await this.#options.work(job.data, this.#aborting.signal)
      if (end === 'ended') return
      await job.moveToDelayed(Date.now() + end.afterMs, token)
      throw new DelayedError()
    } finally {
      this.#active -= 1
      this.#heard = Date.now()
    }
  }
}
