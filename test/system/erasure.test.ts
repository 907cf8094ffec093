import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createClient, type Received, type Reset } from '../../src/client/index.ts'
import { connectPostgres, type Sql } from '../../src/platform/index.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { holdfast } from '../support/command.ts'
import { writeDelivery } from '../support/deliveries.ts'
import { connect, dense, received, subscribe, token } from '../support/sdk.ts'
import { until } from '../support/until.ts'

const client = ['client'] as const
const allow = { subscribe: client, append: client, history: client }

let cluster: Cluster
let redis: Redis
let sql: Sql

beforeAll(async () => {
  cluster = await startCluster({
    ownRedis: true,
    config: {
      namespaces: {
        order: { tier: 'durable', allow },
        kept: { tier: 'durable', retention: { maxEvents: 5 }, allow },
      },
      postgres: { retentionIntervalMs: 200 },
    },
  })
  redis = new Redis(cluster.redisUrl)
  sql = connectPostgres(cluster.databaseUrl, { max: 2, applicationName: 'test' })
})
afterAll(async () => {
  redis?.disconnect()
  await sql?.end({ timeout: 1 })
  await cluster?.close()
})

const api = <T>(method: string, body: unknown, node = 0) =>
  (cluster.nodes[node] as Cluster['nodes'][number]).api<T>(method, body)
const url = (node: number) => cluster.nodes[node]?.url ?? ''

async function fill(channel: string, count: number): Promise<void> {
  for (let n = 1; n <= count; n++) await api('append', { channel, type: 'Said', data: { n } }, n % 2)
}

/** Our own client, from the start or a place, with what it was told. */
async function follow(channel: string, since: number | 'start', node: number) {
  const events: Received[] = []
  const resets: Reset[] = []
  const data: unknown[] = []
  const own = createClient(url(node), { token: await token('anna') })
  await own.connect()
  own.channel(channel).subscribe({
    since,
    onEvent: event => {
      events.push(event)
    },
    onReset: reset => resets.push(reset),
    onSubscribed: context => data.push(context.data),
  })
  return { events, resets, data, close: () => own.disconnect() }
}

describe('an erased event, over sockets', () => {
  it('is a tombstone in its place for who comes later, hot and cold, from either end; and it is told', async () => {
    const channel = 'order:secret'
    await fill(channel, 6)
    const key = { DATABASE_URL: cluster.databaseUrl, REDIS_URL: cluster.redisUrl }
    const args = ['erase', channel, 3, '--reason', 'request 2291', '--by', 'anna', '--yes', '--json']
    expect((await holdfast(args, key)).json()).toMatchObject({ offset: 3, already: false, redis: 'removed' })
    const erased = await api('erase', { channel, offset: 5, reason: 'request 2292', actor: 'ben' }, 1)
    expect(erased).toMatchObject({ channel, offset: 5, already: false })
    await fill(channel, 2)
    const look = async (node: number) => {
      const sdk = await connect(url(node), 'late')
      const record = await subscribe(sdk, channel, { since: { offset: 0, epoch: '' } })
      await received(record, 8)
      expect(record.offsets()).toEqual(dense(8))
      expect(record.data()).toEqual([{ n: 1 }, { n: 2 }, null, { n: 4 }, null, { n: 6 }, { n: 1 }, { n: 2 }])
      expect(record.publications[2]?.tags).toMatchObject({ type: 'holdfast.erased', id: expect.any(String) })
      const { publications } = await record.subscription.history({
        limit: 2,
        since: { offset: 2, epoch: '' },
      })
      expect(publications.map(each => [each.offset, each.data])).toEqual([
        [3, null],
        [4, { n: 4 }],
      ])
      const own = await follow(channel, 'start', node)
      await until('all has come', () => own.events.length >= 8)
      expect(own.events.map(({ offset }) => offset)).toEqual(dense(8))
      expect(own.events[4]).toMatchObject({ type: 'holdfast.erased', data: null, offset: 5 })
      expect(own.resets).toEqual([])
      own.close()
      sdk.disconnect()
    }
    await look(0)
    await redis.flushall()
    await look(1)
    await look(0)
    expect(await api('deliveries', { channel, offset: 5 })).toMatchObject({
      events: [{ ledger: 'erased', acts: [{ actor: 'ben', act: 'erase', reason: 'request 2292' }] }],
    })
  })

  it('is refused where it makes no sense, and nobody can record a tombstone of his own', async () => {
    const channel = 'order:odd'
    await fill(channel, 1)
    const refused: [string, object, RegExp][] = [
      ['erase', { channel, offset: 2, reason: 'x' }, /has no event 2/],
      ['erase', { channel, offset: 1 }, /reason/],
      ['erase', { channel, reason: 'x' }, /expected offset or id/],
      ['erase', { channel: 'a b', offset: 1, reason: 'x' }, /printable/],
      ['append', { channel, type: 'holdfast.erased', data: null }, /holdfast\. are the server's own/],
      ['publish', { channel, type: 'holdfast.mine', data: 1 }, /holdfast\. are the server's own/],
    ]
    for (const [method, body, message] of refused)
      await expect(api(method, body)).rejects.toMatchObject({ code: 107, message })
    const sdk = await connect(url(0), 'anna')
    const append = sdk.rpc('holdfast.append', { channel, type: 'holdfast.erased', data: 1 })
    await expect(append).rejects.toMatchObject({ code: 107 })
    sdk.disconnect()
  })
})

describe('a subscriber below the floor', () => {
  it('is told the first offset there is: by the reply’s data, by a reset, by history', async () => {
    const channel = 'kept:few'
    await fill(channel, 20)
    await until('retention has left five', async () => {
      const [row] = await sql`select count(*) as n from holdfast.events where channel = ${channel}`
      return row?.['n'] === 5
    })
    const sdk = await connect(url(1), 'official')
    for (const [since, told] of [
      [0, { holdfast: { first: 16 } }],
      [14, { holdfast: { first: 16 } }],
      [15, undefined],
    ] as const) {
      const subscription = sdk.newSubscription(channel, { since: { offset: since, epoch: '' } })
      const seen: unknown[] = []
      subscription.on('subscribed', ({ data, recovered }) => seen.push([recovered, data]))
      subscription.subscribe()
      await subscription.ready(10_000)
      expect(seen).toEqual([[since === 15, told]])
      subscription.unsubscribe()
      sdk.removeSubscription(subscription)
    }
    sdk.disconnect()
    const own = await follow(channel, 3, 0)
    await until('the tail has come', () => own.events.length >= 5)
    expect(own.resets).toMatchObject([{ reason: 'retention', lost: { from: 4, to: 15 } }])
    expect(own.events.map(({ offset }) => offset)).toEqual([16, 17, 18, 19, 20])
    expect(own.data).toEqual([undefined])
    own.close()
    const page = await api('history', { channel, limit: 2, since: { offset: 3, epoch: '' } })
    expect(page).toMatchObject({ floor: 15, offset: 20, publications: [{ offset: 16 }, { offset: 17 }] })
    expect(await api('history', { channel, limit: 0 })).toMatchObject({ floor: 15, offset: 20 })
  })
})

describe('the API for parked deliveries', () => {
  it('shows before it acts, acts once, and says who did it', async () => {
    const channel = 'order:parked'
    await fill(channel, 3)
    const ids: number[] = []
    for (const offset of [1, 2, 3])
      ids.push(await writeDelivery(sql, { consumer: 'rule/nobody', channel, offset, reason: 'down' }))
    const filter = { consumer: 'rule/nobody', reason: 'DOWN' }
    const found = await api<{ deliveries: { id: number }[] }>('parked', { ...filter, limit: 2 })
    expect(found).toMatchObject({ count: 3, next_after_id: ids[1], deliveries: [{ event_type: 'Said' }, {}] })
    expect(await api('inspect_delivery', { id: ids[0] })).toMatchObject({
      delivery: { id: ids[0], state: 'parked' },
      event: { type: 'Said', data: { n: 1 }, info: null },
      behind: { count: 0, first: [] },
    })
    expect(await api('redrive', filter)).toMatchObject({ preview: true, count: 3, sample: [{}, {}, {}] })
    expect(await api('discard', { ids: [ids[0]], reason: 'made up', actor: 'anna' })).toEqual({
      ...{ changed: 1, not_parked: 0 },
    })
    expect(await api('redrive', { ...filter, preview: false, actor: 'anna' })).toEqual({
      ...{ changed: 2, not_parked: 0 },
    })
    const story = await api<{ events: object[] }>('deliveries', { channel, offset: 1 })
    expect(story.events).toMatchObject([
      { consumers: [{ consumer: 'rule/nobody', state: 'discarded', actor: 'anna', reason: 'made up' }] },
    ])
  })

  it.each([
    ['redrive', {}, /expected ids, a filter, or all/],
    ['redrive', { ids: [1], consumer: 'rule/x' }, /expected ids, a filter, or all/],
    ['redrive', { consumr: 'rule/x' }, /consumr/],
    ['redrive', { type: 'T', in_order: true, preview: false }, /in_order: expected a channel/],
    ['discard', { all: true }, /reason/],
    ['discard', { reason: 'x' }, /expected ids, a filter, or all/],
    ['parked', { limit: 0 }, /limit/],
    ['inspect_delivery', { id: 999_999 }, /no delivery 999999/],
    ['deliveries', { channel: 'order:1' }, /Invalid input/],
  ])('refuses %s %j', async (method, body, message) => {
    await expect(api(method, body)).rejects.toMatchObject({ code: 107, message })
  })
})
