import { randomUUID } from 'node:crypto'
import type { Centrifuge, DisconnectedContext, PublicationContext, UnsubscribedContext } from 'centrifuge'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { tokenSecret } from '../../../test/support/cluster.ts'
import { type RealtimeGateway, startRealtimeGateway } from '../../../test/support/realtime-gateway.ts'
import { connect, subscribe } from '../../../test/support/sdk.ts'
import { until } from '../../../test/support/until.ts'
import { startLocalRedis } from '../../cli/services/local-redis.ts'

const config = {
  auth: { token: { hmacSecret: tokenSecret } },
  namespaces: {
    room: { presence: true, allow: { subscribe: ['client' as const], publish: ['client' as const] } },
    kept: { history: { size: 10, ttlSeconds: 60 }, allow: { subscribe: ['client' as const] } },
    alert: {},
  },
}

let a: RealtimeGateway
let b: RealtimeGateway
const clients: Centrifuge[] = []
const ends: (() => Promise<void>)[] = []

async function start(redisUrl: string): Promise<void> {
  const prefix = `api-${randomUUID().slice(0, 8)}`
  a = await startRealtimeGateway(redisUrl, prefix, config)
  b = await startRealtimeGateway(redisUrl, prefix, config)
  ends.push(a.close, b.close)
  await until('both nodes know each other', async () => {
    const counts = await Promise.all([a, b].map(async node => (await node.cluster.info()).length))
    return counts.every(count => count === 2)
  })
}

async function client(node: RealtimeGateway, user: string, options = {}): Promise<Centrifuge> {
  const made = await connect(node.websocket, user, options)
  clients.push(made)
  return made
}

beforeEach(() => start(inject('redisUrl')))
afterEach(async () => {
  for (const each of clients.splice(0)) each.disconnect()
  await Promise.all(ends.splice(0).map(end => end()))
})

describe('the API of one node', () => {
  it('publishes to clients of both, and reads what was published', async () => {
    const onA = await subscribe(await client(a, 'ann'), 'kept:1')
    const onB = await subscribe(await client(b, 'bob'), 'kept:1')
    const published = await a.api('publish', { channel: 'kept:1', data: { n: 1 }, tags: { t: 'x' } })
    expect(published).toMatchObject({ status: 200, result: { offset: 1, epoch: expect.any(String) } })
    await b.api('broadcast', { channels: ['kept:1', 'kept:2'], data: { n: 2 } })
    for (const record of [onA, onB]) {
      await until('both have come', () => record.publications.length === 2)
      expect(record.data()).toEqual([{ n: 1 }, { n: 2 }])
      expect(record.publications[0]?.tags).toEqual({ t: 'x' })
    }
    expect(await b.api('history', { channel: 'kept:1', limit: 10 })).toMatchObject({
      result: {
        offset: 2,
        publications: [
          { data: { n: 1 }, offset: 1 },
          { data: { n: 2 }, offset: 2 },
        ],
      },
    })
  })

  it('publishes a retry with the same key once', async () => {
    const record = await subscribe(await client(b, 'bob'), 'kept:1')
    for (let i = 0; i < 3; i++) {
      await a.api('publish', { channel: 'kept:1', data: { n: 1 }, idempotency_key: 'once' })
    }
    await a.api('publish', { channel: 'kept:1', data: 'last' })
    await until('the last has come', () => record.data().includes('last'))
    expect(record.data()).toEqual([{ n: 1 }, 'last'])
  })

  it('ends a subscription on the other node before it answers, and the client stays away', async () => {
    const ann = await client(b, 'ann')
    const { subscription, publications } = await subscribe(ann, 'room:42')
    const bystander = await subscribe(await client(b, 'bob'), 'room:42')
    const ended = new Promise<UnsubscribedContext>(resolve => subscription.on('unsubscribed', resolve))
    expect(await a.api('unsubscribe', { user: 'ann', channel: 'room:42' })).toEqual({
      status: 200,
      result: {},
    })
    await a.api('publish', { channel: 'room:42', data: 'secret' })
    expect(await ended).toMatchObject({ code: 2000, reason: 'server unsubscribe' })
    await until('the bystander has it', () => bystander.data().includes('secret'))
    expect(publications).toEqual([])
    expect(ann.state).toBe('connected')
  })

  it('disconnects a user on both nodes for good, but for spared clients', async () => {
    const [first, second, other] = [await client(a, 'ann'), await client(b, 'ann'), await client(b, 'bob')]
    const gone = (of: Centrifuge) =>
      new Promise<DisconnectedContext>(resolve => of.on('disconnected', resolve))
    const bothGone = Promise.all([gone(first), gone(second)])
    expect(await b.api('disconnect', { user: 'ann' })).toEqual({ status: 200, result: {} })
    for (const context of await bothGone)
      expect(context).toMatchObject({ code: 3503, reason: 'force disconnect' })
    expect(other.state).toBe('connected')
    const info = (await a.cluster.info()).map(node => node.num_clients)
    expect(info.reduce((sum, count) => sum + count, 0)).toBe(1)
  })

  it('subscribes from the server’s side on the other node', async () => {
    const ann = await client(b, 'ann')
    const seen: PublicationContext[] = []
    ann.on('publication', context => seen.push(context))
    const subscribed = new Promise<{ channel: string; data?: unknown }>(resolve =>
      ann.on('subscribed', resolve),
    )
    expect(await a.api('subscribe', { user: 'ann', channel: 'alert:ann', data: { hello: 1 } })).toEqual({
      status: 200,
      result: {},
    })
    expect(await subscribed).toMatchObject({ channel: 'alert:ann' })
    expect(await a.api('subscribe', { user: 'ann', channel: 'alert:ann' })).toMatchObject({ status: 200 })
    await a.api('publish', { channel: 'alert:ann', data: 'now' })
    await until('the alert has come', () => seen.length > 0)
    expect(seen.map(each => [each.channel, each.data])).toEqual([['alert:ann', 'now']])
  })

  it('refreshes and expires connections of the other node', async () => {
    const ann = await client(b, 'ann')
    expect(
      await a.api('refresh', { user: 'ann', expire_at: Math.floor(Date.now() / 1000) + 3_600 }),
    ).toMatchObject({
      result: {},
    })
    const again = new Promise(resolve => ann.on('connecting', context => resolve(context.code)))
    expect(await a.api('refresh', { user: 'ann', expired: true })).toMatchObject({ result: {} })
    expect(await again).toBe(3005)
  })

  it('sees presence, channels and nodes of both', async () => {
    await subscribe(await client(a, 'ann'), 'room:42')
    const bob = await client(b, 'bob')
    await subscribe(bob, 'room:42')
    await subscribe(bob, 'room:43')
    const { result } = await a.api('presence', { channel: 'room:42' })
    const users = Object.values((result as { presence: Record<string, { user: string }> }).presence)
    expect(users.map(each => each.user).sort()).toEqual(['ann', 'bob'])
    expect(await b.api('presence_stats', { channel: 'room:42' })).toMatchObject({
      result: { num_clients: 2, num_users: 2 },
    })
    expect(await a.api('channels', { pattern: 'room:*' })).toMatchObject({
      result: { channels: { 'room:42': { num_clients: 2 }, 'room:43': { num_clients: 1 } } },
    })
    const nodes = (await b.api('info', {})).result as { nodes: Record<string, unknown>[] }
    expect(nodes.nodes).toHaveLength(2)
    for (const node of nodes.nodes)
      expect(node).toMatchObject({ num_clients: 1, num_users: 1, version: '0.0.0' })
  })
})

describe('with Redis gone', () => {
  it('the API serves its own node, says what it could not confirm, and health tells it', async () => {
    const redis = await startLocalRedis({ server: inject('redisServer') })
    ends.push(() => redis.stop())
    await start(redis.url)
    const ann = await subscribe(await client(a, 'ann'), 'room:42')
    const ready = async () => {
      const response = await fetch(`${a.http}/health/ready`)
      return [response.status, ((await response.json()) as { status: string }).status]
    }
    expect(await ready()).toEqual([200, 'ready'])
    await redis.stop()
    await until('health tells it', async () => (await ready())[1] === 'degraded')
    expect((await ready())[0]).toBe(200)

    expect(await a.api('publish', { channel: 'room:42', data: 'local' })).toMatchObject({ result: {} })
    await until('the local client has it', () => ann.data().includes('local'))
    await until('the other node is forgotten', async () => (await a.cluster.info()).length === 1)
    expect(await a.api('channels', {})).toMatchObject({
      result: { channels: { 'room:42': { num_clients: 1 } } },
    })
    const command = { user: 'ann', channel: 'room:42' }
    await until(
      'the node goes on alone',
      async () => (await a.api('unsubscribe', command)).error === undefined,
    )
    await until('the subscription is over', () => ann.subscription.state === 'unsubscribed')
  })
})
