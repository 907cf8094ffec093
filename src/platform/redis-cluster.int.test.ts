import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { type RedisClusterServers, startRedisCluster } from '../../test/support/redis-cluster.ts'
import { until } from '../../test/support/until.ts'
import { openRedis, type RedisConnection } from './redis-connection.ts'
import { ShardedPubSub } from './sharded-pubsub.ts'
import { slotOf } from './slots.ts'

let servers: RedisClusterServers
let connection: RedisConnection
let pubsub: ShardedPubSub
let made = 0
let base: string

beforeAll(async () => {
  servers = await startRedisCluster(inject('redisServer'), { masters: 3, replicas: 0 })
})
afterAll(() => servers?.close())

beforeEach(async () => {
  base = `t${++made}`
  connection = openRedis(servers.target, 'command', 'test')
  pubsub = new ShardedPubSub(servers.target.cluster, 'test', undefined, { lingerMs: 100, pingEveryMs: 200 })
  await until('both are ready', () => connection.ready && pubsub.ready)
})
afterEach(async () => {
  connection.close()
  await pubsub.close()
})

/** So many names in slots of their own, over all nodes. */
const names = (count: number) => Array.from({ length: count }, (_, i) => `{${base}.${i}}:c`)
const publish = (name: string, message = 'x') => connection.client.spublish(name, message)

/** Counts what arrives on each. */
async function listen(all: readonly string[]): Promise<Map<string, string[]>> {
  const heard = new Map(all.map(name => [name, [] as string[]]))
  await Promise.all(all.map(name => pubsub.subscribe(name, message => heard.get(name)?.push(`${message}`))))
  return heard
}

const nextReconnect = () =>
  new Promise<void>(resolve => {
    const stop = pubsub.onReconnect(() => {
      stop()
      resolve()
    })
  })

describe('the slot of a name', () => {
  it('is the one that Redis computes', async () => {
    const [server] = servers.servers
    for (const name of ['', 'foo', '{foo}:bar', 'a{}b', '{é}', 'x{y}z{w}', '}{', '{a', ...names(20)])
      expect([name, slotOf(name)]).toEqual([name, await server?.redis.cluster('KEYSLOT', name)])
  })
})

describe('Pub/Sub over a Redis Cluster', () => {
  it('delivers from every node, and a barrier stands behind what was published before it', async () => {
    const all = names(30)
    const heard = await listen(all)
    for (let round = 1; round <= 10; round++) {
      await Promise.all(all.map(name => publish(name, `${round}`)))
      await pubsub.barrier()
      for (const name of all) expect(heard.get(name)?.length).toBe(round)
    }
    expect(new Set(all.map(name => pubsub.nodeOf(name))).size).toBe(3)
  })

  it('keeps a channel for a while after it was given up', async () => {
    const [name = ''] = names(1)
    const heard = await listen([name])
    pubsub.unsubscribe(name)
    expect(await publish(name)).toBe(1)
    await until('it is given up', async () => (await publish(name)) === 0)
    await listen([name])
    expect(await publish(name)).toBe(1)
    expect(heard.get(name)?.length).toBeGreaterThan(0)
  })

  it('follows a slot to its new node, and says that messages may be missing', async () => {
    const all = names(6)
    const heard = await listen(all)
    const [moving = ''] = all
    const from = await servers.masterOf(slotOf(moving))
    const to = servers.servers.find(each => each !== from) ?? from
    const before = pubsub.connection
    let lost = 0
    pubsub.onLost(() => lost++)
    const back = nextReconnect()
    await servers.moveSlot(slotOf(moving), to)
    await back
    expect(pubsub.connection).not.toBe(before)
    expect(lost).toBeGreaterThan(0)
    expect(pubsub.nodeOf(moving)).toBe(`127.0.0.1:${to.port}`)
    for (const name of all) expect(await publish(name, 'after')).toBe(1)
    await pubsub.barrier()
    for (const name of all) expect(heard.get(name)?.at(-1)).toBe('after')
  })

  it('loses a node that restarts, and is back when it is', async () => {
    const all = names(12)
    const heard = await listen(all)
    const server = await servers.masterOf(slotOf(all[0] ?? ''))
    let lost = 0
    pubsub.onLost(() => lost++)
    await server.kill()
    await until('the loss is noticed', () => lost === 1 && !pubsub.ready && !connection.ready)
    await expect(pubsub.barrier()).rejects.toMatchObject({ code: 'DEPENDENCY_REJECTED' })
    await server.startAgain()
    await until('all is back', () => pubsub.ready && connection.ready)
    for (const name of all) await publish(name, 'after')
    await until('all arrive', () => all.every(name => heard.get(name)?.at(-1) === 'after'))
  })

  it('notices a node that hangs, by itself', async () => {
    const all = names(12)
    await listen(all)
    const server = await servers.masterOf(slotOf(all[0] ?? ''))
    const lost = new Promise<void>(resolve => pubsub.onLost(resolve))
    server.hang()
    await lost
    await expect(connection.alive()).rejects.toThrow()
    server.goOn()
    await until('all is back', () => pubsub.ready)
    await servers.whole()
  })
})

describe('a command while its slot is on the move', () => {
  it('follows single keys, and has scripts wait for the end of the move, or fail as an answer of Redis', async () => {
    const [key = ''] = names(1)
    const lua = "return redis.call('INCR', KEYS[1])"
    await connection.client.eval(lua, 1, key)
    const from = await servers.masterOf(slotOf(key))
    const to = servers.servers.find(each => each !== from) ?? from
    let waiting: Promise<unknown> | undefined
    await servers.moveSlot(slotOf(key), to, async () => {
      expect(await connection.client.get(key)).toBe('1')
      await expect(connection.client.eval(lua, 1, key)).rejects.toMatchObject({ name: 'ReplyError' })
      expect(await connection.client.get(key)).toBe('1')
      waiting = connection.client.eval(lua, 1, key)
    })
    expect(await waiting).toBe(2)
  })
})
