import { Redis, type RedisCommander, type RedisOptions } from 'ioredis'
import type { SentinelConfig } from './config-redis.ts'
import { followFailovers } from './failover-watch.ts'
import type { Logger } from './logger.ts'
import { addressOf, natMapOf, type RedisTarget, tlsOf } from './redis-target.ts'

export type { Redis } from 'ioredis'

/** What commands are sent with, to one Redis or to a Cluster; a command's keys must share a slot. */
export type RedisClient = RedisCommander<{ type: 'default'; mapping: 'resp2' }> &
  Pick<Redis, 'multi' | 'pipeline'>

/** What a connection is for; each role has settings that fail in the way its user needs. */
export type RedisRole = 'command' | 'guarded' | 'subscriber' | 'worker'

const settings: Record<RedisRole, RedisOptions> = {
  // A command is answered or has failed within a second: callers have another way, or tell the client.
  command: { commandTimeout: 1_000, socketTimeout: 2_000 },
  // The caller keeps its own deadline (`resilience`), which is kinder to a busy event loop than ioredis' timers
  // are. The timeouts here only see to it that nothing stays unsettled for ever on a dead connection.
  guarded: { commandTimeout: 3_000, socketTimeout: 3_000 },
  // `PubSub` makes subscriptions again after a reconnect, so that it knows when all of them stand.
  subscriber: { commandTimeout: 2_000, socketTimeout: 3_000, autoResubscribe: false },
  // BullMQ's workers wait for their Redis as long as it is away, and block for up to ten seconds. A command of theirs
  // that is sent twice is told by its lock.
  worker: {
    socketTimeout: 20_000,
    enableOfflineQueue: true,
    maxRetriesPerRequest: null,
    autoResendUnfulfilledCommands: true,
  },
}

/** Full jitter, so that many nodes do not come back in step. */
export function retryDelay(attempt: number): number {
  return Math.random() * Math.min(2_000, 50 * 2 ** Math.min(attempt, 10))
}

/**
 * ioredis would send again what was in flight when a connection broke; a signal that comes late is a lie, and an
 * append that comes twice is worse, so nothing is sent again and nothing is queued while offline.
 */
export function roleOptions(role: RedisRole, name: string): RedisOptions & { replyMapping: 'legacy' } {
  return {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    ...settings[role],
    connectionName: name,
    connectTimeout: 2_000,
    // A half-open connection never ends by itself; after this it is destroyed.
    disconnectTimeout: 500,
    keepAlive: 10_000,
    retryStrategy: retryDelay,
    reconnectOnError: reconnectAtTimes(),
    replyMapping: 'legacy',
  }
}

/** A server that stays as it is is not reached otherwise by trying at every answer. */
const reconnectRestMs = 5_000

/** A former master that takes no writes, or one that loads: the address may lead elsewhere by now. */
function reconnectAtTimes(): (error: Error) => 1 | false {
  let triedAt = Number.NEGATIVE_INFINITY
  return error => {
    if (!/^(READONLY|LOADING|MASTERDOWN)/.test(error.message)) return false
    const now = performance.now()
    if (now - triedAt < reconnectRestMs) return false
    triedAt = now
    return 1
  }
}

/**
 * A connection of its own for one role, to one Redis or to the master that sentinels name. It connects in the
 * background and for ever; errors are logged, because an `error` event without a listener would end the process.
 */
export function connectRedis(
  target: Exclude<RedisTarget, { cluster: unknown }>,
  role: RedisRole,
  name: string,
  logger?: Logger,
): Redis {
  const redis =
    typeof target === 'string'
      ? new Redis(target, roleOptions(role, name))
      : new Redis({ ...roleOptions(role, name), ...sentinelOptions(target.sentinel) })
  if (typeof target !== 'string') followFailovers(redis, target.sentinel, () => retryDelay(5))
  logTroubles(redis, role, logger)
  redis.on('ready', () => void tellOfCluster(redis, role, logger))
  return redis
}

/** Alone, a node of a Cluster refuses most keys; that is better said than found out. */
async function tellOfCluster(redis: Redis, role: RedisRole, logger: Logger | undefined): Promise<void> {
  if (role === 'subscriber') return
  const info = await redis.info('cluster').catch(() => '')
  if (!info.includes('cluster_enabled:1')) return
  logger?.error(
    { role },
    'this redis is a node of a Redis Cluster: configure redis.cluster.nodes, not its URL',
  )
}

function sentinelOptions({ master, nodes, ...own }: SentinelConfig): Omit<RedisOptions, 'replyMapping'> {
  const tls = tlsOf(own.tls)
  const sentinelTLS = tlsOf(own.sentinelTls)
  const natMap = natMapOf(own.natMap, 6379)
  return {
    name: master,
    sentinels: nodes.map(node => addressOf(node, 26379)),
    db: own.db,
    ...(own.username !== undefined && { username: own.username }),
    ...(own.password !== undefined && { password: own.password }),
    ...(own.sentinelUsername !== undefined && { sentinelUsername: own.sentinelUsername }),
    ...(own.sentinelPassword !== undefined && { sentinelPassword: own.sentinelPassword }),
    ...(tls && { tls, enableTLSForSentinelMode: true }),
    ...(sentinelTLS && { sentinelTLS }),
    ...(natMap && { natMap }),
    sentinelRetryStrategy: attempt => 50 + retryDelay(attempt),
    // A sentinel that hangs is passed over.
    sentinelCommandTimeout: 1_000,
  }
}

/** Each trouble is told once, and its end. */
export function logTroubles(
  redis: { on(event: 'error' | 'ready', listener: (error: Error) => void): unknown },
  role: RedisRole,
  logger: Logger | undefined,
): void {
  let told = ''
  redis.on('error', (error: Error) => {
    // Of a Cluster the message says nothing, and what its last node said everything.
    const { lastNodeError } = error as { lastNodeError?: Error }
    const reason = lastNodeError ? `${error.message} ${lastNodeError.message}` : error.message
    // Sentinels are tried again after a time of chance, which the message names.
    const trouble = reason.replace(/\d+(\.\d+)?ms/, 'a while')
    if (told.includes(trouble)) return
    told += trouble
    logger?.warn({ role, err: reason }, 'redis connection failed; trying again')
  })
  redis.on('ready', () => {
    if (told) logger?.info({ role }, 'redis connection is back')
    told = ''
  })
}
