import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { ownPrefix, startNode } from '../../test/support/realtime-nodes.ts'
import { until } from '../../test/support/until.ts'
import { type LocalRedis, startLocalRedis } from '../cli/services/local-redis.ts'
import type { ClientInfo } from '../domain/index.ts'
import type { RealtimeTier } from './tier.ts'

let prefix: string
let a: RealtimeTier
let b: RealtimeTier

beforeEach(async () => {
  prefix = ownPrefix()
  a = await startNode(inject('redisUrl'), prefix)
  b = await startNode(inject('redisUrl'), prefix)
})
afterEach(() => Promise.all([a.close(), b.close()]))

const ada1: ClientInfo = { user: 'ada', client: 'ada-1', connInfo: '{"n":1.50,"big":12345678901234567890}' }
const ada2: ClientInfo = { user: 'ada', client: 'ada-2', chanInfo: '"tab two"' }
const bob: ClientInfo = { user: 'bob ü\n{}', client: 'bob-1' }

describe('presence', () => {
  it('shows the clients of all nodes with their infos untouched', async () => {
    await a.presence.enter('p:1', ada1)
    await b.presence.enter('p:1', ada2)
    await b.presence.enter('p:1', bob)
    const expected = new Map([ada1, ada2, bob].map(info => [info.client, info]))
    expect(await a.presence.list('p:1')).toEqual(expected)
    expect(await b.presence.list('p:1')).toEqual(expected)
    expect(await a.presence.list('p:other')).toEqual(new Map())
  })

  it('counts tabs of one user as clients, not as users, and forgets a user with its last tab', async () => {
    await a.presence.enter('p:2', ada1)
    await b.presence.enter('p:2', ada2)
    await a.presence.enter('p:2', ada1)
    await a.presence.enter('p:2', bob)
    expect(await b.presence.stats('p:2')).toEqual({ clients: 3, users: 2 })
    await a.presence.leave('p:2', ada1)
    await a.presence.leave('p:2', ada1)
    expect(await b.presence.stats('p:2')).toEqual({ clients: 2, users: 2 })
    await b.presence.leave('p:2', ada2)
    expect(await a.presence.stats('p:2')).toEqual({ clients: 1, users: 1 })
    expect([...(await b.presence.list('p:2')).keys()]).toEqual(['bob-1'])
  })

  it('takes all clients of a node out when it closes, and leaves no key behind', async () => {
    const direct = new Redis(inject('redisUrl'))
    for (let i = 0; i < 250; i++) await a.presence.enter(`p:${i % 3}`, { user: 'u', client: `c${i}` })
    await b.presence.enter('p:0', bob)
    await a.close()
    expect(await b.presence.list('p:0')).toEqual(new Map([[bob.client, bob]]))
    expect(await b.presence.stats('p:0')).toEqual({ clients: 1, users: 1 })
    await b.presence.leave('p:0', bob)
    expect(await direct.keys(`${prefix}:{p:*`)).toEqual([])
    direct.disconnect()
  })

  it("lets a dead node's clients expire while a living node's stay", async () => {
    const timings = { presenceTtlMs: 2_000, presenceRefreshMs: 200 }
    const alive = await startNode(inject('redisUrl'), prefix, timings)
    // It dies in the sense that it never refreshes again.
    const dead = await startNode(inject('redisUrl'), prefix, { ...timings, presenceRefreshMs: 3_600_000 })
    await dead.presence.enter('p:4', ada1)
    await alive.presence.enter('p:4', ada2)
    expect(await a.presence.stats('p:4')).toEqual({ clients: 2, users: 1 })
    await until('the dead one is gone', async () => (await a.presence.list('p:4')).size === 1)
    expect(await a.presence.stats('p:4')).toEqual({ clients: 1, users: 1 })
    // Long past the time to live of its first announcement.
    const end = Date.now() + 3_000
    await until('the living one was there all the time', async () => {
      expect([...(await a.presence.list('p:4')).keys()]).toEqual(['ada-2'])
      return Date.now() > end
    })
    await Promise.all([alive.close(), dead.close()])
  })
})

describe('presence while redis is away', () => {
  let redis: LocalRedis
  beforeEach(async () => {
    redis = await startLocalRedis({ server: inject('redisServer') })
  })
  afterEach(() => redis.stop())

  it("answers with this node's own view, and announces it again when redis is back empty", async () => {
    const here = await startNode(redis.url, prefix)
    const there = await startNode(redis.url, prefix)
    await here.presence.enter('p:1', ada1)
    await there.presence.enter('p:1', bob)
    expect((await here.presence.list('p:1')).size).toBe(2)
    const port = Number(new URL(redis.url).port)
    redis.process.kill('SIGKILL')
    await until('both have noticed', () => !here.connected && !there.connected)
    expect([...(await here.presence.list('p:1')).keys()]).toEqual(['ada-1'])
    expect(await here.presence.stats('p:1')).toEqual({ clients: 1, users: 1 })
    await here.presence.enter('p:1', ada2)
    await there.presence.leave('p:1', bob)
    redis = await startLocalRedis({ server: inject('redisServer'), port })
    await until('the other node sees what this one announces again', async () => {
      const clients = [...(await there.presence.list('p:1')).keys()].sort()
      return clients.join() === 'ada-1,ada-2'
    })
    expect(await there.presence.stats('p:1')).toEqual({ clients: 2, users: 1 })
    await Promise.all([here.close(), there.close()])
  })

  it('announces again after the memory was wiped under a living connection', async () => {
    const here = await startNode(redis.url, prefix, { presenceRefreshMs: 200 })
    const there = await startNode(redis.url, prefix)
    await here.presence.enter('p:1', ada1)
    const direct = new Redis(redis.url)
    await direct.flushall()
    await until('it is visible again', async () => (await there.presence.list('p:1')).size === 1)
    direct.disconnect()
    await Promise.all([here.close(), there.close()])
  })

  it('works without any redis', async () => {
    const alone = await startNode(undefined, prefix)
    await alone.presence.enter('p:1', ada1)
    expect(await alone.presence.list('p:1')).toEqual(new Map([[ada1.client, ada1]]))
    await alone.presence.leave('p:1', ada1)
    expect(await alone.presence.stats('p:1')).toEqual({ clients: 0, users: 0 })
    await alone.close()
  })
})
