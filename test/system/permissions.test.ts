import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, type Node, startCluster, tokenSecret } from '../support/cluster.ts'
import { connect, received, subscribe } from '../support/sdk.ts'
import { until } from '../support/until.ts'

const byToken = { subscribe: ['token'], publish: ['token'], presence: ['token'], history: ['token'] }

describe('permissions on two nodes', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster({
      config: {
        auth: { personalNamespace: 'personal' },
        namespaces: {
          room: { tier: 'realtime', presence: true, history: { size: 10 }, allow: byToken },
          case: { tier: 'durable', presence: true, allow: { ...byToken, append: ['token'] } },
          open: { tier: 'realtime', allow: { subscribe: ['client'], publish: ['subscriber'] } },
          personal: { tier: 'realtime' },
          memo: {
            tier: 'realtime',
            history: { size: 10, ttlSeconds: 60 },
            allow: { subscribe: ['client'], publish: ['client'], history: ['token'] },
          },
        },
      },
    })
  })
  afterAll(() => cluster?.close())

  const channelToken = (user: string, channel: string) =>
    new SignJWT({ channel })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject(user)
      .setExpirationTime('1h')
      .sign(new TextEncoder().encode(tokenSecret))
  const both = (): readonly Node[] => cluster.nodes

  it('without a grant refuse subscribe, publish, append, presence and history with 103 on both nodes', async () => {
    for (const node of both()) {
      const client = await connect(node.url, 'stranger')
      for (const channel of ['room:42', 'case:42']) {
        const denied = [
          client.publish(channel, {}),
          client.presence(channel),
          client.presenceStats(channel),
          client.history(channel, { limit: 1 }),
        ]
        for (const attempt of denied) await expect(attempt).rejects.toMatchObject({ code: 103 })
        const subscription = client.newSubscription(channel)
        subscription.subscribe()
        await expect(subscription.ready(5_000)).rejects.toBeDefined()
        expect(subscription.state).toBe('unsubscribed')
      }
      const append = client.rpc('holdfast.append', { channel: 'case:42', type: 'Tried', data: {} })
      await expect(append).rejects.toMatchObject({ code: 103 })
      const signal = client.rpc('holdfast.signal', { channel: 'room:42', data: {} })
      await expect(signal).rejects.toMatchObject({ code: 103 })
      client.disconnect()
    }
    const [row] =
      (await cluster.nodes[0]?.api<{ publications: unknown[] }>('history', { channel: 'case:42', limit: 9 }))
        ?.publications ?? []
    expect(row).toBeUndefined()
  })

  it('with a channel’s token allow all of it, for that channel alone', async () => {
    for (const [i, node] of both().entries()) {
      const client = await connect(node.url, 'member')
      const room = await subscribe(client, 'room:42', { getToken: () => channelToken('member', 'room:42') })
      await subscribe(client, 'case:42', { getToken: () => channelToken('member', 'case:42') })
      await client.publish('room:42', { i })
      await received(room, 1)
      const { clients } = await client.presence('room:42')
      expect(Object.values(clients).map(info => info.user)).toContain('member')
      const { data } = await client.rpc('holdfast.append', { channel: 'case:42', type: 'Done', data: { i } })
      expect(data.offset).toBe(i + 1)
      const { publications } = await client.history('case:42', { limit: 10 })
      expect(publications).toHaveLength(i + 1)
      await expect(client.publish('room:43', {})).rejects.toMatchObject({ code: 103 })
      client.disconnect()
    }
  })

  it('end a live subscription on whichever node it is when the grant is revoked over the API', async () => {
    const [a, b] = both() as [Node, Node]
    for (const [asked, where] of [
      [a, b],
      [b, a],
      [a, a],
    ] as const) {
      const client = await connect(where.url, 'revoked')
      const record = await subscribe(client, 'room:7', { getToken: () => channelToken('revoked', 'room:7') })
      let code = 0
      record.subscription.on('unsubscribed', context => {
        code = context.code
      })
      await asked.api('unsubscribe', { user: 'revoked', channel: 'room:7' })
      await until('the subscription has ended', () => record.subscription.state === 'unsubscribed')
      expect(code).toBe(2000)
      await asked.api('publish', { channel: 'room:7', data: 'after' })
      await expect(client.publish('room:7', 'mine')).rejects.toMatchObject({ code: 103 })
      expect(record.data()).not.toContain('after')
      client.disconnect()
    }
  })

  it('end all of a user’s connections on both nodes with `disconnect`, and SDKs do not come back', async () => {
    const clients = await Promise.all(both().map(node => connect(node.url, 'banned')))
    const bystander = await connect(both()[1]?.url ?? '', 'bystander')
    await both()[0]?.api('disconnect', { user: 'banned' })
    await until('both are disconnected', () => clients.every(client => client.state === 'disconnected'))
    expect(bystander.state).toBe('connected')
    bystander.disconnect()
  })

  it('keep a personal channel to its user, and reach all of the user’s connections by it', async () => {
    const clients = await Promise.all(both().map(node => connect(node.url, 'paula')))
    const got: unknown[] = []
    for (const client of clients) client.on('publication', context => got.push(context.data))
    await both()[0]?.api('publish', { channel: 'personal:#paula', data: 'for paula' })
    await until('both have it', () => got.length === 2)
    const other = await connect(both()[1]?.url ?? '', 'peter')
    const subscription = other.newSubscription('personal:#paula')
    subscription.subscribe()
    await expect(subscription.ready(5_000)).rejects.toBeDefined()
    for (const client of [...clients, other]) client.disconnect()
  })

  it('let nobody read by recovering what it may not read by asking', async () => {
    const writer = await connect(both()[0]?.url ?? '', 'writer')
    await writer.publish('memo:1', 'before')
    const reader = await connect(both()[1]?.url ?? '', 'reader')
    const since = { offset: 0, epoch: '' }
    const denied = await subscribe(reader, 'memo:1', { since, recoverable: true })
    await writer.publish('memo:1', 'after')
    await received(denied, 1)
    expect(denied.data()).toEqual(['after'])
    denied.subscription.unsubscribe()
    reader.removeSubscription(denied.subscription)
    const granted = await subscribe(reader, 'memo:1', {
      since,
      recoverable: true,
      getToken: () => channelToken('reader', 'memo:1'),
    })
    await received(granted, 2)
    expect(granted.data()).toEqual(['before', 'after'])
    for (const client of [writer, reader]) client.disconnect()
  })

  it('answer an undeclared namespace with 102, and publishing without subscribing by the rule of the namespace', async () => {
    const client = await connect(both()[0]?.url ?? '', 'curious')
    await expect(client.publish('nowhere:1', {})).rejects.toMatchObject({ code: 102 })
    await expect(client.publish('open:1', {})).rejects.toMatchObject({ code: 103 })
    await subscribe(client, 'open:1')
    await client.publish('open:1', {})
    client.disconnect()
  })
})
