import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { type TcpProxy, tcpProxy } from '../../test/support/tcp-proxy.ts'
import { until } from '../../test/support/until.ts'
import { connectRedis, type Redis } from './redis.ts'

let proxy: TcpProxy
let redis: Redis

beforeEach(async () => {
  proxy = await tcpProxy(inject('redisUrl'))
  redis = connectRedis(proxy.through(inject('redisUrl')), 'command', 'test')
  await until('it is ready', () => redis.status === 'ready')
})
afterEach(async () => {
  redis.disconnect()
  await proxy.close()
})

/** `events.once` would fail on the errors that belong to a reconnect. */
const nextReady = () => new Promise<void>(resolve => redis.once('ready', () => resolve()))

describe('a command connection', () => {
  it('fails what is in flight when the connection breaks and sends nothing again', async () => {
    const key = `redis-${process.pid}-list`
    proxy.swallow({ connections: 'present' })
    const back = nextReady()
    const pushed = redis.rpush(key, 'x')
    proxy.cut()
    await expect(pushed).rejects.toThrow()
    await back
    expect(await redis.llen(key)).toBe(0)
  })

  it('fails at once while there is no connection, and keeps no command for later', async () => {
    const key = `redis-${process.pid}-offline`
    const back = nextReady()
    redis.disconnect(true)
    await expect(redis.set(key, '1')).rejects.toThrow()
    await back
    expect(await redis.exists(key)).toBe(0)
  })

  it('settles a command that a half-open connection swallows, and connects anew', async () => {
    const before = proxy.accepted
    proxy.swallow({ connections: 'present' })
    await expect(redis.ping()).rejects.toThrow()
    await until('there is a new connection', () => redis.status === 'ready' && proxy.accepted > before)
    expect(await redis.ping()).toBe('PONG')
  })
})
