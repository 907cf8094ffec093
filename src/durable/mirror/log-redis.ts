import { once } from 'node:events'
import { HoldfastError } from '../../domain/index.ts'
import { connectRedis, type Logger, type Redis } from '../../platform/index.ts'
import { Guard } from '../../resilience/index.ts'
import { within } from './deadline.ts'

/** Longer than any script of ours takes on a healthy Redis; callers have another way. */
const deadlineMs = 1_000
/** Nothing is lost by asking often: one PING, and the mirror heals the sooner. */
const restMs = { first: 250, most: 1_000 }

/** The connection to the log's Redis, behind a guard: nobody waits for it while it is known to be away. */
export class LogRedis {
  readonly #redis: Redis
  readonly #guard: Guard

  constructor(url: string, name: string, logger: Logger) {
    this.#redis = connectRedis(url, 'command', name, logger)
    this.#guard = new Guard({
      name: 'the log’s redis',
      deadlineMs,
      restMs,
      probe: () => this.#redis.ping(),
      // An error that Redis itself sends (out of memory, read only) is an answer.
      blames: error => !(error instanceof Error && error.name === 'ReplyError'),
      onChange: (state, reason) => logger.info({ state, reason }, 'the log’s redis'),
    })
    this.#redis.on('ready', () => this.#guard.probeSoon())
  }

  get reachable(): boolean {
    return this.#redis.status === 'ready' && this.#guard.passing
  }

  /** Resolves when the first connection stands, or after `ms`. */
  async connected(ms: number): Promise<void> {
    if (this.#redis.status === 'ready') return
    await within(once(this.#redis, 'ready'), ms, 'connecting to redis').catch(() => undefined)
  }

  /** @throws HoldfastError DEPENDENCY_REJECTED at once while Redis is away, DEPENDENCY_TIMEOUT, DEPENDENCY_FAILED */
  call<T>(act: (redis: Redis) => Promise<T>): Promise<T> {
    if (this.#redis.status === 'ready') return this.#guard.run(() => act(this.#redis))
    return Promise.reject(new HoldfastError('DEPENDENCY_REJECTED', 'the log’s redis is not connected'))
  }

  close(): void {
    this.#guard.close()
    this.#redis.disconnect()
  }
}
