import { Redis, type RedisOptions } from 'ioredis'
import type { Logger } from './logger.ts'

export type { Redis } from 'ioredis'

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

/**
 * A connection of its own for one role. It connects in the background and for ever; errors are logged, because
 * an `error` event without a listener would end the process.
 *
 * ioredis would send again what was in flight when a connection broke; a signal that comes late is a lie, and an
 * append that comes twice is worse, so nothing is sent again and nothing is queued while offline.
 */
export function connectRedis(url: string, role: RedisRole, name: string, logger?: Logger): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    ...settings[role],
    connectionName: name,
    connectTimeout: 2_000,
    // A half-open connection never ends by itself; after this it is destroyed.
    disconnectTimeout: 500,
    keepAlive: 10_000,
    retryStrategy: attempt => Math.random() * Math.min(2_000, 50 * 2 ** Math.min(attempt, 10)),
    reconnectOnError: error => (/^(READONLY|LOADING|MASTERDOWN)/.test(error.message) ? 1 : false),
    replyMapping: 'legacy',
  })
  let told = ''
  redis.on('error', (error: Error) => {
    if (told === error.message) return
    told = error.message
    logger?.warn({ role, err: error.message }, 'redis connection failed; trying again')
  })
  redis.on('ready', () => {
    if (told) logger?.info({ role }, 'redis connection is back')
    told = ''
  })
  return redis
}
