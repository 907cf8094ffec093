import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { type TcpProxy, tcpProxy } from '../../test/support/tcp-proxy.ts'
import { until } from '../../test/support/until.ts'
import { followFailovers } from './failover-watch.ts'
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

describe('a connection to a master that sentinels watch', () => {
  const name = `watched-${process.pid}`
  let news: Redis

  beforeEach(async () => {
    // What a sentinel publishes about a failover, any Redis can.
    const { host } = new URL(inject('redisUrl'))
    news = connectRedis(inject('redisUrl'), 'command', 'news')
    await until('it can be asked', () => news.status === 'ready')
    const config = { master: name, nodes: [host], db: 0, tls: false, sentinelTls: false }
    followFailovers(redis, config, () => 20)
    await until('it listens', async () => (await news.pubsub('NUMSUB', '+switch-master'))[1] !== 0)
  })
  afterEach(() => news.disconnect())

  const tell = (master: string, port: number) =>
    news.publish('+switch-master', `${master} 127.0.0.1 1 127.0.0.1 ${port}`)

  it('is made anew until it leads to the new master, where the former goes on to answer', async () => {
    const before = proxy.accepted
    await tell('another', 1)
    await tell(name, proxy.port)
    expect(await redis.ping()).toBe('PONG')
    expect(proxy.accepted).toBe(before)
    await tell(name, 1)
    await until('it is made anew, and again', () => proxy.accepted > before + 1)
    await tell(name, proxy.port)
    // It is ready for a moment before it has heard where the master is.
    await until('it answers', () =>
      redis.ping().then(
        answer => answer === 'PONG',
        () => false,
      ),
    )
  })

  it('is made at once when the news comes while it waits for its next try', async () => {
    redis.options.retryStrategy = () => 60_000
    proxy.cut()
    await until('it waits', () => redis.status === 'reconnecting')
    await tell(name, proxy.port)
    await until('it is there', () => redis.status === 'ready')
  })

  it('ends, and its listening with it, also while there is no connection', async () => {
    proxy.refuse()
    proxy.cut()
    await until('it is away', () => redis.status === 'reconnecting')
    redis.disconnect()
    await until('nobody listens', async () => (await news.pubsub('NUMSUB', '+switch-master'))[1] === 0)
  })
})
