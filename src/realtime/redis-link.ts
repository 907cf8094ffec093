import { connectRedis, type Logger, PubSub, type PubSubTimings, type Redis } from '../platform/index.ts'
import { Breakers, blamesRedis, type Guard } from '../resilience/index.ts'
import { Scripts } from './scripts.ts'

/** Where nobody publishes for so long, a sign of life is asked for. */
const idleMs = 1_000

/**
 * This node's connection to the bus Redis: one connection for commands behind a guard, one for Pub/Sub. `connected`
 * means that both answer and that every wanted bus channel is subscribed.
 */
export class RedisLink {
  readonly pubsub: PubSub
  readonly #redis: Redis
  readonly #scripts: Scripts
  readonly #guard: Guard
  readonly #logger: Logger
  readonly #deadlineMs: number
  readonly #onConnected = new Set<() => void>()
  readonly #onLost = new Set<() => void>()
  #connected = false
  /** How far Redis' clock is ahead of this process' monotonic one, in milliseconds. */
  #clockAhead: number | undefined

  constructor(options: {
    url: string
    nodeId: string
    deadlineMs: number
    logger: Logger
    pubsub?: Partial<PubSubTimings>
    breakers?: Breakers | undefined
  }) {
    this.#logger = options.logger
    this.#deadlineMs = options.deadlineMs
    this.#redis = connectRedis(options.url, 'guarded', `holdfast-realtime-${options.nodeId}`, options.logger)
    this.#scripts = new Scripts(this.#redis)
    const breakers = options.breakers ?? new Breakers(options.logger)
    this.#guard = breakers.guard('bus', {
      name: 'redis (bus)',
      deadlineMs: options.deadlineMs,
      idleMs,
      probe: () => this.#scripts.publishBatch(0, []).then(({ clock }) => this.learnClock(clock)),
      blames: blamesRedis('publish'),
      onChange: () => this.#look(),
    })
    this.#guard.trip('not connected yet')
    this.#redis.on('ready', () => this.#guard.probeSoon())
    this.#redis.on('close', () => {
      this.#clockAhead = undefined
      this.#guard.trip('the connection is closed')
    })
    this.pubsub = new PubSub(
      options.url,
      `holdfast-realtime-sub-${options.nodeId}`,
      options.logger,
      options.pubsub,
    )
    this.pubsub.onReconnect(() => this.#look())
    this.pubsub.onLost(() => this.#look())
  }

  get connected(): boolean {
    return this.#connected
  }

  /** Whether a command would be tried at all at this moment. */
  get passing(): boolean {
    return this.#guard.passing
  }

  /** @throws HoldfastError DEPENDENCY_REJECTED (never sent), DEPENDENCY_TIMEOUT or _FAILED (may have taken effect) */
  call<T>(act: (scripts: Scripts) => Promise<T>): Promise<T> {
    return this.#guard.run(() => act(this.#scripts))
  }

  /**
   * The moment, by Redis' clock, after which a call sent now has been given up: scripts refuse to act later, so
   * that a hung Redis does not do in an hour what nobody waits for any more. 0 where the clock is not known.
   */
  notAfter(): number {
    return this.#clockAhead === undefined
      ? 0
      : Math.ceil(performance.now() + this.#clockAhead + this.#deadlineMs)
  }

  /** The answer was under way for a while, so the largest difference seen on a connection is the truest. */
  learnClock(clock: number): void {
    this.#clockAhead = Math.max(clock - performance.now(), this.#clockAhead ?? Number.NEGATIVE_INFINITY)
  }

  onConnected(listener: () => void): void {
    this.#onConnected.add(listener)
  }

  onLost(listener: () => void): void {
    this.#onLost.add(listener)
  }

  /** Resolves when it is connected, or after `waitMs` all the same. */
  async started(waitMs: number): Promise<void> {
    if (this.#connected) return
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, waitMs)
      this.#onConnected.add(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  async close(): Promise<void> {
    this.#onConnected.clear()
    this.#onLost.clear()
    this.#guard.close()
    await this.pubsub.close()
    this.#redis.disconnect()
  }

  #look(): void {
    const connected = this.#guard.passing && this.pubsub.ready
    if (connected === this.#connected) return
    this.#connected = connected
    if (connected) this.#logger.info('realtime tier reaches other nodes')
    else this.#logger.warn('realtime tier delivers on this node only')
    for (const listener of connected ? this.#onConnected : this.#onLost) listener()
  }
}
