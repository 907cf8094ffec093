import {
  type Logger,
  openRedis,
  type RedisClient,
  type RedisConnection,
  type RedisTarget,
} from '../../platform/index.ts'
import { Breakers, blamesRedis, type Guard } from '../../resilience/index.ts'

/** Longer than any script of ours takes on a healthy Redis; callers have another way. */
const deadlineMs = 800
/** Nothing is lost by asking often: one small write, and the mirror heals the sooner. */
const restMs = { first: 250, most: 1_000 }
/** The first on a single Redis, one for each master of a Cluster. */
const probeKeys = ['holdfast:probe', ...Array.from({ length: 128 }, (_, i) => `{holdfast.probe.${i}}`)]

/** The connection to the log's Redis, behind a guard: nobody waits for it while it is known to be away. */
export class LogRedis {
  readonly #connection: RedisConnection
  readonly #guard: Guard

  constructor(target: RedisTarget, name: string, logger: Logger, breakers = new Breakers(logger)) {
    this.#connection = openRedis(target, 'guarded', name, logger)
    this.#guard = breakers.guard('log', {
      name: 'the log’s redis',
      awayAtFirst: 'not connected yet',
      deadlineMs,
      restMs,
      // A write: a Redis that is full or read only answers a PING, and mirrors nothing.
      probe: () => this.#probe(),
      blames: blamesRedis('write'),
    })
    this.#connection.onReady(() => this.#guard.probeSoon())
    this.#connection.onLost(() => this.#guard.trip('the connection is closed'))
  }

  /** Whether it is a Cluster, where announcements go to sharded channels. */
  get sharded(): boolean {
    return this.#connection.cluster !== undefined
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
  call<T>(act: (redis: RedisClient) => Promise<T>): Promise<T> {
    return this.#guard.run(() => this.#connection.inOneWrite(() => act(this.#connection.client)))
  }

  /** Every server that holds keys, to be asked within `call`. */
  get servers(): readonly RedisClient[] {
    return this.#connection.masters()
  }

  close(): void {
    this.#guard.close()
    this.#connection.close()
  }

  async #probe(): Promise<void> {
    const { client, cluster } = this.#connection
    if (cluster) await this.#connection.alive()
    await Promise.all(this.#connection.spread(probeKeys).map(key => client.set(key, '', 'PX', 1)))
  }
}
