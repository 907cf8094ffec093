import { connectRedis, type Logger, type Redis } from '../../platform/index.ts'
import { Breakers, blamesRedis, type Guard } from '../../resilience/index.ts'

/** Longer than any script of ours takes on a healthy Redis; callers have another way. */
const deadlineMs = 800
/** Nothing is lost by asking often: one small write, and the mirror heals the sooner. */
const restMs = { first: 250, most: 1_000 }
const probeKey = 'holdfast:probe'

/** The connection to the log's Redis, behind a guard: nobody waits for it while it is known to be away. */
export class LogRedis {
  readonly #redis: Redis
  readonly #guard: Guard

  constructor(url: string, name: string, logger: Logger, breakers = new Breakers(logger)) {
    this.#redis = connectRedis(url, 'guarded', name, logger)
    this.#guard = breakers.guard('log', {
      name: 'the log’s redis',
      deadlineMs,
      restMs,
      // A write: a Redis that is full or read only answers a PING, and mirrors nothing.
      probe: () => this.#redis.set(probeKey, '', 'PX', 1),
      blames: blamesRedis('write'),
    })
    this.#guard.trip('not connected yet')
    this.#redis.on('ready', () => this.#guard.probeSoon())
    this.#redis.on('close', () => this.#guard.trip('the connection is closed'))
  }

  get reachable(): boolean {
    return this.#guard.passing
  }

  /** Resolves when the first connection stands, or after `ms`. */
  async connected(ms: number): Promise<void> {
    if (this.#guard.passing) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ms)
    const stop = this.#guard.onChange(state => state === 'passing' && resolve())
    await promise
    clearTimeout(timer)
    stop()
  }

  /** @throws HoldfastError DEPENDENCY_REJECTED at once while Redis is away, DEPENDENCY_TIMEOUT, DEPENDENCY_FAILED */
  call<T>(act: (redis: Redis) => Promise<T>): Promise<T> {
    return this.#guard.run(() => act(this.#redis))
  }

  close(): void {
    this.#guard.close()
    this.#redis.disconnect()
  }
}
