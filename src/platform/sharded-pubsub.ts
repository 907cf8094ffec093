import { setTimeout as delay } from 'node:timers/promises'
import { HoldfastError } from '../domain/index.ts'
import type { ClusterConfig } from './config-redis.ts'
import type { Logger } from './logger.ts'
import { type MessageHandler, PubSub, type PubSubTimings, type Subscriptions } from './pubsub.ts'
import { shardedVerbs } from './pubsub-verbs.ts'
import { logTroubles, type Redis, retryDelay, roleOptions } from './redis.ts'
import { connectCluster, type RedisCluster } from './redis-cluster.ts'
import { slotOf } from './slots.ts'

interface Wanted {
  readonly slot: number
  handler: MessageHandler
  /** The node that it is subscribed at, or shall be. */
  at: string | undefined
}

/** While a channel is subscribed nowhere, or a node is away, it is looked so often who serves it. */
const lookAgainMs = 200

/**
 * Sharded Pub/Sub over a Redis Cluster: one connection to each master, and each channel subscribed at the one that
 * serves its slot. To its users it is one `PubSub`: a lost connection, a slot that has moved and a master that another has
 * taken the place of all count as a lost connection, and when everything is subscribed again, wherever it is served
 * now, `onReconnect` listeners hear of it.
 *
 * A channel is subscribed at masters only: an answer there stands behind every message that was published before.
 */
export class ShardedPubSub implements Subscriptions {
  readonly #cluster: RedisCluster
  readonly #name: string
  readonly #logger: Logger | undefined
  readonly #timings: Partial<PubSubTimings>
  readonly #shards = new Map<string, PubSub>()
  readonly #wanted = new Map<string, Wanted>()
  readonly #reconnected = new Set<(subscribedAgain: number) => void>()
  readonly #lost = new Set<() => void>()
  #connection = 0
  #ready = false
  #settling = false
  #closed = false

  constructor(target: ClusterConfig, name: string, logger?: Logger, timings: Partial<PubSubTimings> = {}) {
    this.#name = name
    this.#logger = logger
    this.#timings = timings
    // It only tells who serves which slots.
    this.#cluster = connectCluster(target, 'subscriber', `${name}-slots`, logger)
    this.#cluster.on('refresh', () => this.#route())
  }

  get ready(): boolean {
    return this.#ready
  }

  get connection(): number {
    return this.#connection
  }

  onReconnect(listener: (subscribedAgain: number) => void): () => void {
    this.#reconnected.add(listener)
    return () => this.#reconnected.delete(listener)
  }

  onLost(listener: () => void): () => void {
    this.#lost.add(listener)
    return () => this.#lost.delete(listener)
  }

  subscribe(name: string, handler: MessageHandler): Promise<void> {
    let wanted = this.#wanted.get(name)
    if (wanted) {
      wanted.handler = handler
    } else {
      const slot = slotOf(name)
      wanted = { slot, handler, at: this.#cluster.masterKeyOf(slot) }
      this.#wanted.set(name, wanted)
    }
    const shard = wanted.at === undefined ? undefined : this.#shards.get(wanted.at)
    if (shard) return shard.subscribe(name, handler)
    return Promise.reject(
      new HoldfastError('DEPENDENCY_REJECTED', 'no node of the Redis Cluster is known to serve the channel'),
    )
  }

  unsubscribe(name: string): void {
    const at = this.#wanted.get(name)?.at
    this.#wanted.delete(name)
    if (at !== undefined) this.#shards.get(at)?.unsubscribe(name)
  }

  async barrier(): Promise<void> {
    if (!this.#ready) throw new HoldfastError('DEPENDENCY_REJECTED', 'redis pub/sub is not connected')
    await Promise.all([...this.#shards.values()].map(shard => shard.barrier()))
  }

  /** @param name a channel that is served by the connection in doubt; all are made anew where it is left out */
  renew(reason: string, name?: string): void {
    const at = name === undefined ? undefined : this.nodeOf(name)
    for (const [key, shard] of this.#shards) if (at === undefined || at === key) shard.renew(reason)
  }

  /** Which connection a channel comes over; undefined where nobody is known to serve it. */
  nodeOf(name: string): string | undefined {
    return this.#cluster.masterKeyOf(slotOf(name))
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#ready = false
    this.#cluster.disconnect()
    await Promise.all([...this.#shards.values()].map(shard => shard.close()))
  }

  /** Brings connections and channels to where slots are served now. */
  #route(): void {
    if (this.#closed) return
    const masters = this.#cluster.masters()
    if (masters.size === 0) return
    for (const [key, node] of masters) if (!this.#shards.has(key)) this.#open(key, node)
    for (const [name, wanted] of this.#wanted) {
      const at = this.#cluster.masterKeyOf(wanted.slot)
      if (at === wanted.at || at === undefined) continue
      // Messages between the one subscription and the other are lost.
      this.#lose()
      if (wanted.at !== undefined) this.#shards.get(wanted.at)?.drop(name)
      wanted.at = at
      this.#shards
        .get(at)
        ?.subscribe(name, wanted.handler)
        .catch(() => undefined)
    }
    for (const [key, shard] of this.#shards) {
      if (masters.has(key)) continue
      this.#shards.delete(key)
      void shard.close()
      // Should it come back under the same address, its connection is a new one that knows of no channel.
      for (const wanted of this.#wanted.values()) {
        if (wanted.at !== key) continue
        this.#lose()
        wanted.at = undefined
      }
    }
    void this.#settle()
  }

  #open(key: string, node: Redis): void {
    const redis = node.duplicate({
      ...roleOptions('subscriber', this.#name),
      retryStrategy: retryDelay,
      lazyConnect: false,
      readOnly: false,
    })
    logTroubles(redis, 'subscriber', this.#logger)
    let moves = 0
    const shard = new PubSub(
      redis,
      this.#name,
      this.#logger,
      this.#timings,
      shardedVerbs(() => moves--),
    )
    // ioredis tells in the same way that a subscription was refused, of which its caller hears too, and that the node has
    // taken some back, without saying which, because their slot is another node's now.
    redis.on('moved', () => {
      moves++
      setImmediate(() => {
        if (moves > 0) shard.suspect()
        moves = 0
      })
    })
    this.#shards.set(key, shard)
    // Asked for while there was no connection yet.
    for (const [name, wanted] of this.#wanted)
      if (wanted.at === key) shard.subscribe(name, wanted.handler).catch(() => undefined)
    shard.onLost(() => this.#lostShard(key, shard))
    shard.onReconnect(() => void this.#settle())
  }

  #lostShard(key: string, shard: PubSub): void {
    if (this.#shards.get(key) !== shard) return
    this.#lose()
    void this.#settle()
  }

  #lose(): void {
    if (this.#closed) return
    this.#connection++
    if (!this.#ready) return
    this.#ready = false
    for (const listener of this.#lost) listener()
  }

  /** Looks who serves the slots and asks again, until everything that is wanted is confirmed. */
  async #settle(): Promise<void> {
    if (this.#settling || this.#ready || this.#closed) return
    this.#settling = true
    for (;;) {
      const connection = this.#connection
      await Promise.all([...this.#shards.values()].map(shard => shard.askAgain()))
      if (this.#closed) return
      if (connection === this.#connection && this.#complete()) break
      await delay(lookAgainMs * (0.5 + Math.random()), undefined, { ref: false })
      // It routes by itself; a refusal may come before the other nodes know of the move.
      if (this.#cluster.status === 'ready') await this.#cluster.refresh().catch(() => undefined)
    }
    this.#settling = false
    this.#ready = true
    const again = this.#connection > 0 ? this.#wanted.size : 0
    for (const listener of this.#reconnected) listener(again)
  }

  #complete(): boolean {
    const shards = [...this.#shards.values()]
    const routed = [...this.#wanted.values()].every(({ at }) => at !== undefined && this.#shards.has(at))
    return shards.length > 0 && routed && shards.every(shard => shard.ready)
  }
}
