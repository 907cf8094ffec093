import { type Logger, openRedis, type RedisConnection, type RedisTarget } from '../../platform/index.ts'

type Client = RedisConnection['client']

/**
 * The Redis of jobs, as BullMQ's workers use it: one connection for all of a process, and one more for each worker,
 * which BullMQ makes of it to block on. Closing it closes those too, also where BullMQ waits for an answer.
 */
export class WorkerRedis {
  readonly redis: Client
  readonly #connection: RedisConnection
  readonly #blocking = new Set<Client>()

  constructor(target: RedisTarget, name: string, logger: Logger) {
    this.#connection = openRedis(target, 'worker', name, logger)
    this.redis = this.#connection.client
    // Each is given up with its worker: a restart must not find the old listeners at the limit.
    // (Not 0: BullMQ adds to the limit, and would make three of it.)
    this.redis.setMaxListeners(Number.POSITIVE_INFINITY)
    const client = this.redis as { duplicate(...override: unknown[]): Client }
    const duplicate = client.duplicate.bind(client)
    client.duplicate = (...override) => {
      const copy = duplicate(...override)
      this.#blocking.add(copy)
      copy.setMaxListeners(Number.POSITIVE_INFINITY)
      copy.on('error', () => undefined)
      copy.on('end', () => copy.status === 'end' && this.#blocking.delete(copy))
      return copy
    }
  }

  close(): void {
    this.#connection.close()
    for (const copy of this.#blocking) copy.disconnect()
  }
}
