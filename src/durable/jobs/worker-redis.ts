import { connectRedis, type Logger, type Redis } from '../../platform/index.ts'

/**
 * The Redis of jobs, as BullMQ's workers use it: one connection for all of a process, and one more for each worker,
 * which BullMQ makes of it to block on. Closing it closes those too, also where BullMQ waits for an answer.
 */
export class WorkerRedis {
  readonly redis: Redis
  readonly #blocking = new Set<Redis>()

  constructor(url: string, name: string, logger: Logger) {
    this.redis = connectRedis(url, 'worker', name, logger)
    // Each is given up with its worker: a restart must not find the old listeners at the limit.
    this.redis.setMaxListeners(0)
    const duplicate = this.redis.duplicate.bind(this.redis)
    this.redis.duplicate = override => {
      const copy = duplicate(override)
      this.#blocking.add(copy)
      copy.on('error', () => undefined)
      copy.on('end', () => copy.status === 'end' && this.#blocking.delete(copy))
      return copy
    }
  }

  close(): void {
    this.redis.disconnect()
    for (const copy of this.#blocking) copy.disconnect()
  }
}
