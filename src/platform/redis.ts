import { Redis, type RedisOptions } from 'ioredis'
import type { Logger } from './logger.ts'

export type { Redis } from 'ioredis'

/** What a connection is for; each role has settings that fail in the way its user needs. */
export type RedisRole = 'command' | 'subscriber'

const settings: Record<RedisRole, RedisOptions> = {
  // A command is answered or has failed within a second: callers have another way, or tell the client.
  // ioredis would send again what was in flight when a connection broke; every script is idempotent, but a
  // signal that comes late is a lie, so nothing is sent again and nothing is queued while offline.
  command: {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    commandTimeout: 1_000,
    socketTimeout: 2_000,
  },
  // `PubSub` makes subscriptions again after a reconnect, so that it knows when all of them stand.
  subscriber: {
    enableOfflineQueue: true,
    maxRetriesPerRequest: null,
    autoResubscribe: false,
    commandTimeout: 2_000,
    socketTimeout: 5_000,
  },
}

/**
 * A connection of its own for one role. It connects in the background and for ever; errors are logged, because
 * an `error` event without a listener would end the process.
 */
export function connectRedis(url: string, role: RedisRole, name: string, logger?: Logger): Redis {
  const options: RedisOptions = {
    ...settings[role],
    connectionName: name,
    connectTimeout: 2_000,
    keepAlive: 10_000,
    retryStrategy: attempt => Math.random() * Math.min(2_000, 50 * 2 ** Math.min(attempt, 10)),
    reconnectOnError: error => (/^(READONLY|LOADING|MASTERDOWN)/.test(error.message) ? 1 : false),
  }
  const redis = new Redis(url, { ...options, replyMapping: 'legacy' })
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
