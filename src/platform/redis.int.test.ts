import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { type HalfOpenProxy, startHalfOpenProxy } from '../../test/support/half-open-proxy.ts'
import { until } from '../../test/support/until.ts'
import { connectRedis, type Redis } from './redis.ts'

let proxy: HalfOpenProxy
let redis: Redis

beforeEach(async () => {
  const { hostname, port } = new URL(inject('redisUrl'))
  proxy = await startHalfOpenProxy({ host: hostname, port: Number(port) })
  redis = connectRedis(`redis://127.0.0.1:${proxy.port}`, 'command', 'test')
  await until('it is ready', () => redis.status === 'ready')
})
afterEach(async () => {
  redis.disconnect()
  await proxy.stop()
})

/** `events.once` would fail on the errors that belong to a reconnect. */
const nextReady = () => new Promise<void>(resolve => redis.once('ready', () => resolve()))

describe('a command connection', () => {
  it('fails what is in flight when the connection breaks and sends nothing again', async () => {
    const key = `redis-${process.pid}-list`
    proxy.swallowPresent()
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
    proxy.swallowPresent()
    await expect(redis.ping()).rejects.toThrow()
    await until('there is a new connection', () => redis.status === 'ready' && proxy.accepted > before)
    expect(await redis.ping()).toBe('PONG')
  })
})
