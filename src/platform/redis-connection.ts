import { setTimeout as delay } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { Logger } from './logger.ts'
import { connectRedis, type RedisClient, type RedisRole } from './redis.ts'
import { connectCluster, type RedisCluster } from './redis-cluster.ts'
import { isCluster, type RedisTarget } from './redis-target.ts'
import { slotOf } from './slots.ts'

/**
 * A connection for commands: to one Redis, to whichever is the master behind sentinels, or to a Cluster, which counts as
 * one Redis: it is there when every slot is served and every master answers.
 */
export interface RedisConnection {
  readonly client: RedisClient & (Redis | RedisCluster)
  /** Undefined where it is no Cluster. */
  readonly cluster: RedisCluster | undefined
  readonly ready: boolean
  /** Called each time it is there, the first included. */
  onReady(listener: () => void): void
  /** Called when it is gone. */
  onLost(listener: () => void): void
  /** Resolves when all of it answers; rejects soon where it does not. */
  alive(): Promise<void>
  /** The servers that hold keys, for what is asked of each. */
  masters(): readonly Redis[]
  /** What `act` sends before it first waits leaves in one write to each server, as a pipeline's commands would. */
  inOneWrite<T>(act: () => T): T
  /** Of names that lie in many slots, one for each server: what is done to these is done to all of them. */
  spread(names: readonly string[]): readonly string[]
  close(): void
}

export function openRedis(
  target: RedisTarget,
  role: RedisRole,
  name: string,
  logger?: Logger,
): RedisConnection {
  return isCluster(target)
    ? new ClusterConnection(connectCluster(target.cluster, role, name, logger))
    : new SingleConnection(connectRedis(target, role, name, logger))
}

class SingleConnection implements RedisConnection {
  readonly client: Redis
  readonly cluster = undefined

  constructor(client: Redis) {
    this.client = client
  }

  get ready(): boolean {
    return this.client.status === 'ready'
  }

  onReady(listener: () => void): void {
    this.client.on('ready', listener)
  }

  onLost(listener: () => void): void {
    this.client.on('close', listener)
  }

  async alive(): Promise<void> {
    await this.client.ping()
  }

  masters(): readonly Redis[] {
    return [this.client]
  }

  inOneWrite<T>(act: () => T): T {
    const { stream } = this.client
    stream?.cork()
    try {
      return act()
    } finally {
      stream?.uncork()
    }
  }

  spread(names: readonly string[]): readonly string[] {
    return names.slice(0, 1)
  }

  close(): void {
    this.client.disconnect()
  }
}

/** While something is missing it is looked after about so often. */
const lookAgainMs = 200

class ClusterConnection implements RedisConnection {
  readonly client: RedisCluster
  readonly #onReady = new Set<() => void>()
  readonly #onLost = new Set<() => void>()
  #ready = false
  #looking = false
  #closed = false

  constructor(client: RedisCluster) {
    this.client = client
    client.on('ready', () => void this.#look())
    client.on('close', () => this.#lost())
    client.on('-node', (node: Redis) => {
      // One that serves nothing any more was let go of.
      const key = `${node.options.host}:${node.options.port}`
      if (client.slots.some(keys => keys?.[0] === key)) this.#lost()
    })
  }

  get cluster(): RedisCluster {
    return this.client
  }

  get ready(): boolean {
    return this.#ready
  }

  onReady(listener: () => void): void {
    this.#onReady.add(listener)
  }

  onLost(listener: () => void): void {
    this.#onLost.add(listener)
  }

  async alive(): Promise<void> {
    if (this.client.status !== 'ready') throw new Error('no node of the Redis Cluster answers')
    try {
      if (!this.#ready) await this.client.refresh()
      const states = await Promise.all(this.masters().map(node => node.cluster('INFO')))
      if (states.length > 0 && states.every(state => `${state}`.includes('cluster_state:ok'))) return
    } catch (error) {
      // A replica may have taken over meanwhile.
      this.client.refresh().catch(() => undefined)
      throw error
    }
    throw new Error('the Redis Cluster does not serve all slots')
  }

  masters(): readonly Redis[] {
    return [...this.client.masters().values()]
  }

  inOneWrite<T>(act: () => T): T {
    // One that has never been used has no socket yet.
    const sockets = this.client.nodes('master').flatMap(({ stream }) => stream ?? [])
    for (const socket of sockets) socket.cork()
    try {
      return act()
    } finally {
      for (const socket of sockets) socket.uncork()
    }
  }

  spread(names: readonly string[]): readonly string[] {
    const byNode = new Map<string | undefined, string>()
    for (const name of names) {
      const at = this.client.masterKeyOf(slotOf(name))
      if (!byNode.has(at)) byNode.set(at, name)
    }
    return [...byNode.values()]
  }

  close(): void {
    this.#closed = true
    this.client.disconnect()
  }

  #lost(): void {
    if (this.#ready) {
      this.#ready = false
      for (const listener of this.#onLost) listener()
    }
    void this.#look()
  }

  async #look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    while (!this.#ready && !this.#closed && this.client.status === 'ready') {
      const there = await this.alive().then(
        () => true,
        () => false,
      )
      if (there && !this.#closed) {
        this.#ready = true
        for (const listener of this.#onReady) listener()
      } else {
        await delay(lookAgainMs * (0.5 + Math.random()), undefined, { ref: false })
      }
    }
    this.#looking = false
  }
}
