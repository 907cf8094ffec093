import { type JobsOptions, Queue } from 'bullmq'
import { type Logger, openRedis, type RedisConnection, type RedisTarget } from '../../platform/index.ts'
import { Breakers, blamesRedis, type Guard } from '../../resilience/index.ts'
import { EnqueueSpans } from './enqueue-spans.ts'

export interface NewJob {
  /** Its name. */
  readonly name: string
  readonly id: string
  readonly data: unknown
  /** Not before so long, in milliseconds. */
  readonly delayMs?: number
  readonly options?: JobsOptions
  /** Where it is traced: the `traceparent` of what it has come of. */
  readonly trace?: string | undefined
}

/** Where a job stands that somebody else's workers work on. */
export interface JobState {
  readonly state: 'unknown' | 'open' | 'completed' | 'failed'
  readonly failure: string
  readonly attemptsMade: number
}

/** Longer than BullMQ's scripts take on a healthy Redis. */
const deadlineMs = 3_000
/** A call that takes longer gives reason to ask whether Redis answers at all, and that takes no longer either. */
const slowMs = 400
/** The first on a single Redis, one for each master of a Cluster. */
const probeKeys = [
  'holdfast:probe:jobs',
  ...Array.from({ length: 128 }, (_, i) => `{holdfast.probe.${i}}:jobs`),
]

/**
 * The Redis of jobs, as those use it who enqueue: everything fails at once while it is away, and whoever has a row in
 * Postgres asks again later.
 */
export class JobRedis {
  readonly #connection: RedisConnection
  readonly #guard: Guard
  readonly #logger: Logger
  /** BullMQ wants its Redis to be there when a queue is made, so they are made at their first use. */
  readonly #queues = new Map<string, Promise<Queue>>()
  #closed = false

  constructor(target: RedisTarget, name: string, logger: Logger, breakers = new Breakers(logger)) {
    this.#connection = openRedis(target, 'guarded', name, logger)
    this.#logger = logger
    this.#guard = breakers.guard('jobs', {
      name: 'the redis of jobs',
      awayAtFirst: 'not connected yet',
      deadlineMs,
      slowMs,
      slowness: 'doubt',
      // A write: a Redis that is full or read only answers a PING, and takes no job.
      probe: () => this.#probe(),
      blames: blamesRedis('write'),
    })
    this.#connection.onReady(() => {
      this.#guard.probeSoon()
      void this.#warnOfEviction()
    })
    this.#connection.onLost(() => this.#guard.trip('the connection is closed'))
  }

  get reachable(): boolean {
    return this.#guard.passing
  }

  /** Enqueues; a job whose id is there already stays as it is. @throws HoldfastError DEPENDENCY_* */
  async add(queue: string, prefix: string, jobs: readonly NewJob[]): Promise<void> {
    if (jobs.length === 0) return
    const spans = new EnqueueSpans(queue, jobs)
    const bulk = jobs.map(job => {
      const { name, id, data, delayMs, options } = job
      const delay = delayMs ? { delay: Math.ceil(delayMs) } : {}
      return { name, data, opts: { ...options, ...spans.optionsOf(job), jobId: id, ...delay } }
    })
    await spans.endWith(this.#call(queue, prefix, open => open.addBulk(bulk)))
  }

  /** Removes jobs that nobody works on. @throws HoldfastError DEPENDENCY_* */
  async remove(queue: string, prefix: string, ids: readonly string[]): Promise<void> {
    await this.#call(queue, prefix, open => Promise.all(ids.map(id => open.remove(id))))
  }

  /** Removes jobs; of those that somebody works on the data goes, too. @throws HoldfastError DEPENDENCY_* */
  async forget(queue: string, prefix: string, ids: readonly string[]): Promise<void> {
    await this.#call(queue, prefix, open =>
      Promise.all(
        ids.map(async id => {
          if ((await open.remove(id)) === 1) return
          await (await open.getJob(id))?.updateData({ erased: true })
        }),
      ),
    )
  }

  /** Which of these jobs there are, in whatever state. @throws HoldfastError DEPENDENCY_* */
  existing(queue: string, prefix: string, ids: readonly string[]): Promise<boolean[]> {
    return this.#call(queue, prefix, async open => {
      const pipeline = this.#connection.client.pipeline()
      for (const id of ids) pipeline.exists(open.toKey(id))
      return answersOf(await pipeline.exec()).map(answer => answer === 1)
    })
  }

  /** @throws HoldfastError DEPENDENCY_* */
  states(queue: string, prefix: string, ids: readonly string[]): Promise<JobState[]> {
    return this.#call(queue, prefix, async open => {
      const pipeline = this.#connection.client.pipeline()
      for (const id of ids) {
        pipeline.zscore(open.toKey('completed'), id)
        pipeline.zscore(open.toKey('failed'), id)
        pipeline.exists(open.toKey(id))
        pipeline.hmget(open.toKey(id), 'failedReason', 'atm')
      }
      const answers = answersOf(await pipeline.exec())
      return ids.map((_, i) => {
        const [completed, failed, exists, about] = answers.slice(4 * i, 4 * i + 4)
        const [reason, made] = about as [string | null, string | null]
        const state =
          completed !== null ? 'completed' : failed !== null ? 'failed' : exists ? 'open' : 'unknown'
        return { state, failure: reason ?? 'the job failed', attemptsMade: Number(made ?? 1) }
      })
    })
  }

  /** How many jobs wait to be taken, and how many there are in any unfinished state. @throws HoldfastError DEPENDENCY_* */
  async counts(queue: string, prefix: string): Promise<{ waiting: number; open: number }> {
    const counts = await this.#call(queue, prefix, open =>
      open.getJobCounts('waiting', 'prioritized', 'active', 'delayed', 'waiting-children'),
    )
    const { waiting = 0, prioritized = 0 } = counts
    return {
      waiting: waiting + prioritized,
      open: Object.values(counts).reduce((sum, count) => sum + count, 0),
    }
  }

  close(): void {
    this.#closed = true
    this.#guard.close()
    this.#connection.close()
  }

  #call<T>(name: string, prefix: string, act: (queue: Queue) => Promise<T>): Promise<T> {
    return this.#guard.run(() => this.#queue(name, prefix).then(act))
  }

  #queue(name: string, prefix: string): Promise<Queue> {
    const key = `${prefix}:${name}`
    const known = this.#queues.get(key)
    if (known) return known
    const made = this.#open(name, prefix)
    this.#queues.set(key, made)
    // A queue whose Redis went away while it was made never recovers; the next call makes another.
    made.catch(() => this.#queues.delete(key))
    return made
  }

  async #open(name: string, prefix: string): Promise<Queue> {
    const queue = new Queue(name, { connection: this.#connection.client, prefix })
    queue.on('error', error => {
      if (!this.#closed) this.#logger.debug({ err: error, queue: name }, 'a queue of jobs has an error')
    })
    await queue.waitUntilReady()
    return queue
  }

  async #probe(): Promise<void> {
    const { client, cluster } = this.#connection
    if (cluster) await this.#connection.alive()
    await Promise.all(this.#connection.spread(probeKeys).map(key => client.set(key, '', 'PX', 1)))
  }

  async #warnOfEviction(): Promise<void> {
    const infos = await Promise.all(
      this.#connection.masters().map(server => server.info('memory').catch(() => '')),
    )
    const policies = infos.map(info => /^maxmemory_policy:(\S+)/m.exec(info)?.[1])
    const policy = policies.find(each => each !== undefined && each !== 'noeviction')
    if (policy !== undefined) {
      this.#logger.warn(
        { policy },
        'the redis of jobs may evict keys: set maxmemory-policy noeviction, or give jobs a redis of their own (redis.jobs)',
      )
    }
  }
}

function answersOf(replies: [Error | null, unknown][] | null): unknown[] {
  return (replies ?? []).map(([error, answer]) => {
    if (error) throw error
    return answer
  })
}
