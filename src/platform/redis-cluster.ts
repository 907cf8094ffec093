import { Cluster, type ClusterNode, type ClusterOptions, type Redis } from 'ioredis'
import type { ClusterConfig } from './config-redis.ts'
import type { Logger } from './logger.ts'
import { logTroubles, type RedisRole, retryDelay, roleOptions } from './redis.ts'
import { addressOf, natMapOf, tlsOf } from './redis-target.ts'

/** How often and how long a command waits for a slot that is on the move, before it fails. */
const moveWaits = 6
const moveWaitMs = 50

type Handlers = { defaults(): void; tryagain(): void }

/**
 * ioredis' Cluster, but for a slot that is being moved to another node. A script is not sent after keys that have moved
 * already (ASK): there nobody is subscribed yet, and what it publishes would be lost without anybody noticing. It waits a
 * little, and fails where the move takes longer: as an answer of Redis, which speaks against nobody's health.
 */
export class RedisCluster extends Cluster {
  #masters: ReadonlyMap<string, Redis> | undefined

  constructor(nodes: ClusterNode[], options: ConstructorParameters<typeof Cluster<'legacy'>>[1]) {
    super(nodes, options)
    for (const change of ['refresh', '+node', '-node']) {
      this.on(change, () => {
        this.#masters = undefined
      })
    }
  }

  override handleError(error: Error, ttl: { value?: number; waits?: number }, handlers: Handlers): void {
    const { command } = error as { command?: { name: string } }
    const script = /^(eval|evalsha|fcall)$/i.test(command?.name ?? '')
    const moving = error.message.startsWith('TRYAGAIN ') || (script && error.message.startsWith('ASK '))
    if (!moving) {
      super.handleError(error, ttl, handlers)
      return
    }
    ttl.waits = (ttl.waits ?? 0) + 1
    if (ttl.waits > moveWaits) handlers.defaults()
    else setTimeout(handlers.tryagain, moveWaitMs)
  }

  /** `host:port` of the node that serves a slot, as far as this process knows. */
  masterKeyOf(slot: number): string | undefined {
    return this.slots[slot]?.[0]
  }

  /** The nodes that serve slots, by `host:port`. */
  masters(): ReadonlyMap<string, Redis> {
    this.#masters ??= this.#findMasters()
    return this.#masters
  }

  #findMasters(): ReadonlyMap<string, Redis> {
    const keys = new Set(this.slots.map(keys => keys?.[0]))
    return new Map(this.nodes('master').flatMap(node => (keys.has(keyOf(node)) ? [[keyOf(node), node]] : [])))
  }

  /** Asks anew who serves which slots. */
  refresh(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.refreshSlotsCache(error => (error ? reject(error) : resolve()))
    })
  }
}

function keyOf({ options }: Redis): string {
  return `${options.host}:${options.port}`
}

/** A connection of its own for one role to all nodes of a Redis Cluster, in the background and for ever. */
export function connectCluster(
  { nodes, ...own }: ClusterConfig,
  role: RedisRole,
  name: string,
  logger?: Logger,
): RedisCluster {
  const { enableOfflineQueue, retryStrategy: _, ...options } = roleOptions(role, name)
  const waits = role === 'worker'
  const tls = tlsOf(own.tls)
  const natMap = natMapOf(own.natMap, 6379)
  const clusterOptions: ClusterOptions & { redisOptions: { replyMapping: 'legacy' } } = {
    enableOfflineQueue: enableOfflineQueue === true,
    clusterRetryStrategy: retryDelay,
    scaleReads: 'master',
    maxRedirections: 8,
    // What was in flight when a connection broke is not sent again; only BullMQ's workers can bear that.
    retryDelayOnFailover: waits ? 100 : 0,
    retryDelayOnClusterDown: waits ? 100 : 0,
    slotsRefreshTimeout: 500,
    slotsRefreshInterval: 2_000 + 2_000 * Math.random(),
    ...(natMap && { natMap }),
    // A certificate names hosts, not addresses.
    ...(tls && {
      dnsLookup: (host: string, done: (error: null, address: string) => void) => done(null, host),
    }),
    redisOptions: {
      ...options,
      ...(own.username !== undefined && { username: own.username }),
      ...(own.password !== undefined && { password: own.password }),
      ...(tls && { tls }),
    },
  }
  const cluster = new RedisCluster(
    nodes.map(node => addressOf(node, 6379)),
    clusterOptions,
  )
  logTroubles(cluster, role, logger)
  return cluster
}
