import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { type TcpProxy, tcpProxy } from '../../test/support/tcp-proxy.ts'
import { until } from '../../test/support/until.ts'
import { startLocalRedis } from '../cli/services/local-redis.ts'
import { PubSub, type PubSubTimings } from './pubsub.ts'

let proxy: TcpProxy
let direct: Redis
let pubsub: PubSub | undefined
let name: string
let made = 0

beforeEach(async () => {
  proxy = await tcpProxy(inject('redisUrl'))
  direct = new Redis(inject('redisUrl'))
  name = `pubsub-${process.pid}-${++made}`
})
afterEach(async () => {
  await pubsub?.close()
  direct.disconnect()
  await proxy.close()
})

async function connected(timings: Partial<PubSubTimings> = {}): Promise<PubSub> {
  const made = new PubSub(proxy.through(inject('redisUrl')), name, undefined, timings)
  pubsub = made
  await until('it is ready', () => made.ready)
  return made
}

const errorOf = (promise: Promise<unknown>) => promise.catch((error: unknown) => error)

const subscribers = async (channel: string) => (await direct.pubsub('NUMSUB', channel))[1]

describe('Pub/Sub', () => {
  it('delivers what is published after a confirmed subscription, bytes untouched', async () => {
    const bus = await connected()
    const heard: Buffer[] = []
    await bus.subscribe(name, payload => heard.push(payload))
    const bytes = Buffer.from([0, 255, 10, 13, 128])
    await direct.publish(name, bytes)
    await until('it is heard', () => heard.length === 1)
    expect(heard[0]).toEqual(bytes)
  })

  it('has given everything published before to the handlers when a barrier resolves', async () => {
    const bus = await connected()
    let heard = 0
    await bus.subscribe(name, () => heard++)
    for (let round = 1; round <= 50; round++) {
      for (let i = 0; i < 20; i++) await direct.publish(name, 'x')
      await bus.barrier()
      expect(heard).toBe(round * 20)
    }
  })

  it('keeps its connection and all other channels where Redis denies one', async () => {
    const url = new URL(inject('redisUrl'))
    await direct.acl('SETUSER', name, 'on', '>secret', '+@all', '~*', 'resetchannels', `&${name}:*`)
    url.username = name
    url.password = 'secret'
    const bus = new PubSub(url.href, name)
    pubsub = bus
    try {
      await until('it is ready', () => bus.ready)
      const { connection } = bus
      let heard = 0
      const [denied, allowed] = await Promise.allSettled([
        bus.subscribe(`other-${name}`, () => undefined),
        bus.subscribe(`${name}:1`, () => heard++),
      ])
      expect(denied).toMatchObject({ status: 'rejected', reason: { code: 'DEPENDENCY_FAILED' } })
      expect(allowed.status).toBe('fulfilled')
      expect([bus.ready, bus.connection]).toEqual([true, connection])
      bus.renew('to see it subscribe again')
      await until('it is ready again', () => bus.ready)
      await direct.publish(`${name}:1`, 'x')
      await until('the allowed one is heard', () => heard === 1)
      expect(bus.connection).toBe(connection + 2)
    } finally {
      await direct.acl('DELUSER', name)
    }
  })

  it('confirms thousands of channels asked for in one turn', async () => {
    const bus = await connected()
    const names = Array.from({ length: 3_000 }, (_, i) => `${name}:${i}`)
    await Promise.all(names.map(each => bus.subscribe(each, () => undefined)))
    expect(await subscribers(`${name}:0`)).toBe(1)
    expect(await subscribers(`${name}:2999`)).toBe(1)
  })

  it('keeps a channel for a while after it was given up, and for good when somebody comes back', async () => {
    const bus = await connected({ lingerMs: 150 })
    await bus.subscribe(`${name}:gone`, () => undefined)
    await bus.subscribe(`${name}:back`, () => undefined)
    bus.unsubscribe(`${name}:gone`)
    bus.unsubscribe(`${name}:back`)
    expect(await subscribers(`${name}:gone`)).toBe(1)
    let heard = 0
    await bus.subscribe(`${name}:back`, () => heard++)
    await until('the other is unsubscribed', async () => (await subscribers(`${name}:gone`)) === 0)
    expect(await subscribers(`${name}:back`)).toBe(1)
    await direct.publish(`${name}:back`, 'x')
    await until('the new handler hears', () => heard === 1)
    await bus.subscribe(`${name}:gone`, () => undefined)
    expect(await subscribers(`${name}:gone`)).toBe(1)
  })

  it('tells of a lost connection, and of its return only when all channels are subscribed again', async () => {
    const bus = await connected()
    const names = Array.from({ length: 700 }, (_, i) => `${name}:${i}`)
    const heard = new Set<string>()
    await Promise.all(names.map(each => bus.subscribe(each, () => heard.add(each))))
    let lost = 0
    bus.onLost(() => lost++)
    const back = new Promise<number>(resolve => bus.onReconnect(resolve))
    proxy.cut()
    expect(await back).toBe(700)
    expect(lost).toBe(1)
    expect(bus.ready).toBe(true)
    for (const each of names) void direct.publish(each, 'x')
    await until('all are heard', () => heard.size === names.length)
  })

  it('refuses at once without a connection, and subscribes by itself when there is one', async () => {
    const bus = await connected()
    let heard = 0
    // In the same turn as the loss, before a new connection can be there.
    const refused = new Promise<unknown[]>(resolve => {
      bus.onLost(() => resolve(Promise.all([bus.subscribe(name, () => heard++), bus.barrier()].map(errorOf))))
    })
    proxy.cut()
    const rejected = { code: 'DEPENDENCY_REJECTED' }
    expect(await refused).toMatchObject([rejected, rejected])
    await until('it is subscribed', async () => (await subscribers(name)) === 1)
    await direct.publish(name, 'x')
    await until('it is heard', () => heard === 1)
  })

  it('notices a half-open connection, on which nothing arrives and nothing fails, and makes a new one', async () => {
    const bus = await connected({ pingEveryMs: 100 })
    let heard = 0
    await bus.subscribe(name, () => heard++)
    const before = proxy.accepted
    const lost = new Promise<void>(resolve => bus.onLost(resolve))
    proxy.swallow({ connections: 'present' })
    await direct.publish(name, 'swallowed')
    await lost
    await until('it is back', () => bus.ready && proxy.accepted > before)
    await direct.publish(name, 'x')
    await until('it is heard', () => heard === 1)
  })

  it('rejects a subscription that a half-open connection swallows, and confirms it on the next', async () => {
    const bus = await connected()
    proxy.swallow({ connections: 'present' })
    await expect(bus.subscribe(name, () => undefined)).rejects.toMatchObject({ code: 'DEPENDENCY_FAILED' })
    await until('it is subscribed after all', async () => (await subscribers(name)) === 1)
    await bus.subscribe(name, () => undefined)
  })

  it('goes on over a server that refuses even PING, because it can’t save', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-misconf-'))
    const server = await startLocalRedis({
      server: inject('redisServer'),
      flags: ['--dir', directory, '--save', '3600 1'],
    })
    const commands = new Redis(server.url)
    const bus = new PubSub(server.url, name, undefined, { pingEveryMs: 20 })
    try {
      await until('it is ready', () => bus.ready)
      await rm(directory, { recursive: true })
      await commands.bgsave()
      await until('it can’t save', async () => /_status:err/.test(await commands.info('persistence')))
      await expect(commands.ping()).rejects.toThrow('MISCONF')
      const { connection } = bus
      let heard = 0
      await bus.subscribe(name, () => heard++)
      for (let i = 0; i < 10; i++) {
        await commands.publish(name, 'x')
        await bus.barrier()
        expect(heard).toBe(i + 1)
      }
      expect(bus.connection).toBe(connection)
    } finally {
      commands.disconnect()
      await bus.close()
      await server.stop()
    }
  })
})
