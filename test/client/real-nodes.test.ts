import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { createHoldfast, type Holdfast } from '../../src/app/index.ts'
import { type Client, createClient, type Received, type Reset } from '../../src/client/index.ts'
import { freshDatabase } from '../support/database.ts'
import { until } from '../support/until.ts'

const everything = ['client' as const]
const pushed = 40

describe('the client with real nodes', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>
  const nodes: Holdfast[] = []
  const clients: Client[] = []
  const prefix = `t${randomUUID().slice(0, 8)}`

  beforeAll(async () => {
    database = await freshDatabase(inject('postgresUrl'))
  })
  afterAll(async () => {
    for (const client of clients) client.disconnect()
    await Promise.all(nodes.map(node => node.close()))
    await database?.drop()
  })

  async function node(): Promise<{ url: string; hf: Holdfast }> {
    const hf = await createHoldfast({
      http: { host: '127.0.0.1', port: 0 },
      redis: { url: inject('redisUrl'), prefix },
      postgres: { url: database.url, migrate: true },
      namespaces: {
        order: {
          tier: 'durable',
          replay: { maxPushed: pushed },
          allow: { subscribe: everything, append: everything, publish: everything, history: everything },
        },
        sealed: {
          tier: 'durable',
          replay: { maxPushed: pushed },
          allow: { subscribe: everything, append: everything },
        },
        room: {
          tier: 'realtime',
          presence: true,
          joinLeave: true,
          allow: { subscribe: everything, publish: everything, presence: everything },
        },
        recent: {
          tier: 'realtime',
          history: { size: 50, ttlSeconds: 60 },
          allow: { subscribe: everything, publish: everything, history: everything },
        },
      },
      log: { level: 'silent' },
      limits: { drainTimeoutMs: 500 },
    })
    hf.authenticate(({ token }) => ({ user: token }))
    nodes.push(hf)
    const { port } = await hf.listen()
    return { url: `ws://127.0.0.1:${port}`, hf }
  }

  function open(urls: string | string[], user: string, onError: (error: unknown) => void = () => {}): Client {
    const client = createClient(urls, { token: user, reconnectDelayMs: { min: 1, max: 50 }, onError })
    clients.push(client)
    return client
  }

  const dense = (n: number) => Array.from({ length: n }, (_, i) => i + 1)

  it('appends through nodes that stop, in order, once each, and every reader gets everything', async () => {
    const [a, b, c] = [await node(), await node(), await node()]
    const writer = open([a.url, b.url, c.url], 'writer')
    const readers = [a.url, b.url, c.url].map((url, i) => open([url, c.url], `reader-${i}`))
    await Promise.all([writer, ...readers].map(client => client.connect()))
    const seen = readers.map(reader => {
      const events: Received[] = []
      reader.channel('order:moving').subscribe({ since: 'start', onEvent: event => events.push(event) })
      return events
    })
    const total = 300
    const done = await Promise.all(
      dense(total).map(async n => {
        const appended = await writer.channel('order:moving').append('Counted', { n })
        if (n === 100) void a.hf.close()
        if (n === 200) void b.hf.close()
        return appended
      }),
    )
    expect(done.map(each => each.offset)).toEqual(dense(total))
    for (const events of seen) {
      await until('all have come', () => events.length >= total)
      expect(events.map(event => event.offset)).toEqual(dense(total))
      expect(events.map(event => event.data)).toEqual(dense(total).map(n => ({ n })))
      expect(events.map(event => event.id)).toEqual(done.map(each => each.id))
      expect(events.map(event => event.time)).toEqual(done.map(each => each.time))
    }
  })

  it('pages through a past that is longer than what is pushed, while the channel goes on', async () => {
    const { url, hf } = await node()
    const before = pushed * 5
    for (const n of dense(before)) await hf.append('order:long', 'Counted', { n })
    const reader = open(url, 'late')
    await reader.connect()
    const offsets: (number | undefined)[] = []
    const resets: Reset[] = []
    reader.channel('order:long').subscribe({
      since: 'start',
      onEvent: event => offsets.push(event.offset),
      onReset: reset => resets.push(reset),
    })
    const total = before + 60
    for (let n = before + 1; n <= total; n++) await hf.append('order:long', 'Counted', { n })
    await until('all have come', () => offsets.length >= total)
    expect(offsets).toEqual(dense(total))
    expect(resets).toEqual([])
  })

  it('says what it may not read, and goes on', async () => {
    const { url, hf } = await node()
    const before = pushed + 10
    for (const n of dense(before)) await hf.append('sealed:x', 'Counted', { n })
    const reader = open(url, 'late')
    await reader.connect()
    const offsets: (number | undefined)[] = []
    const resets: Reset[] = []
    const subscription = reader.channel('sealed:x').subscribe({
      since: 0,
      onEvent: event => offsets.push(event.offset),
      onReset: reset => resets.push(reset),
    })
    await until('the gap is told', () => resets.length > 0)
    expect(resets).toMatchObject([{ reason: 'history_refused', lost: { from: 1, to: before } }])
    await hf.append('sealed:x', 'Counted', {})
    await until('it goes on', () => offsets.length > 0)
    expect(offsets).toEqual([before + 1])
    expect(subscription.position?.offset).toBe(before + 1)
  })

  it('tells a place of another epoch, and the head of a conflict', async () => {
    const { url } = await node()
    const client = open(url, 'someone')
    await client.connect()
    const order = client.channel('order:epochs')
    const { epoch } = await order.append('Counted', { n: 1 })
    const resets: Reset[] = []
    order.subscribe({ since: { epoch: 'of-a-former-life', offset: 7 }, onReset: reset => resets.push(reset) })
    await until('it is told', () => resets.length > 0)
    expect(resets).toMatchObject([{ reason: 'epoch_changed', position: { epoch, offset: 1 } }])
    await expect(order.append('Counted', {}, { expectedOffset: 5 })).rejects.toMatchObject({
      code: 409,
      head: 1,
    })
    await expect(client.channel('room:1').append('Counted', {})).rejects.toMatchObject({ temporary: false })
    await expect(client.channel('unknown:1').publish({})).rejects.toMatchObject({ code: 102 })
  })

  it('goes on in a channel with a short memory, and in one without', async () => {
    const { url, hf } = await node()
    const client = open(url, 'someone')
    await client.connect()
    const heard: unknown[] = []
    const [recent, room] = ['recent:1', 'room:1'].map(name =>
      client.channel(name).subscribe(event => heard.push(event.data)),
    )
    await Promise.all([recent?.ready(), room?.ready()])
    await hf.publish('recent:1', 'before')
    await hf.publish('room:1', 'heard')
    await until('both have come', () => heard.length === 2)
    client.disconnect()
    await hf.publish('recent:1', 'remembered')
    await hf.publish('room:1', 'lost')
    await client.connect()
    await until('it is caught up', () => heard.includes('remembered'))
    await room?.ready()
    await hf.publish('room:1', 'after')
    await until('it is live', () => heard.includes('after'))
    expect(heard.filter(each => each !== 'heard')).toEqual(['before', 'remembered', 'after'])
    expect(room?.position).toBeUndefined()
  })

  it('signals to one peer, and sees who is there', async () => {
    const [a, b] = [await node(), await node()]
    const [anna, ben, cleo] = [open(a.url, 'anna'), open(b.url, 'ben'), open(b.url, 'cleo')]
    const heard: string[] = []
    const joined: string[] = []
    for (const client of [anna, ben, cleo]) {
      await client.connect()
      const subscription = client.channel('room:call').subscribe({
        onEvent: event =>
          heard.push(
            `${client.id === anna.id ? 'anna' : client.id === ben.id ? 'ben' : 'cleo'}:${event.data}`,
          ),
        onJoin: info => client === anna && joined.push(info.user),
      })
      await subscription.ready()
    }
    const call = anna.channel('room:call')
    await until('all are present', async () => {
      const users = Object.values(await call.presence()).map(({ user }) => user)
      return users.sort().join() === 'anna,ben,cleo'
    })
    await call.signal('offer', 'for ben', { to: { client: ben.id ?? '' } })
    await call.signal('said', 'to the others')
    await until('all is heard', () => heard.length === 3)
    expect(heard.sort()).toEqual(['ben:for ben', 'ben:to the others', 'cleo:to the others'])
    await until('both have joined', () => joined.includes('ben') && joined.includes('cleo'))
  })
})
