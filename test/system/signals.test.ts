import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { connect, received, subscribe } from '../support/sdk.ts'
import { until } from '../support/until.ts'

describe('signals between two nodes', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster()
  })
  afterAll(() => cluster?.close())

  const [a, b] = [() => cluster.nodes[0]?.url ?? '', () => cluster.nodes[1]?.url ?? '']

  it('reach clients on both nodes once each, in the order in which they were sent', async () => {
    const sender = await connect(a(), 'anna')
    const clients = await Promise.all([connect(a(), 'bob'), connect(b(), 'carl'), connect(b(), 'anna')])
    const records = await Promise.all(clients.map(client => subscribe(client, 'room:order')))
    await subscribe(sender, 'room:order')
    for (let n = 1; n <= 300; n++) void sender.publish('room:order', { n })
    await Promise.all(records.map(record => received(record, 300)))
    await sender.publish('room:order', { n: 'last' })
    await Promise.all(records.map(record => received(record, 301)))
    const expected = [...Array.from({ length: 300 }, (_, i) => ({ n: i + 1 })), { n: 'last' }]
    for (const record of records) expect(record.data()).toEqual(expected)
    for (const client of [sender, ...clients]) client.disconnect()
  })

  it('to one peer reach only that peer, on another node and on the same', async () => {
    const caller = await connect(a(), 'caller')
    const others = await Promise.all([connect(a(), 'near'), connect(b(), 'far'), connect(b(), 'third')])
    const records = await Promise.all([caller, ...others].map(client => subscribe(client, 'room:call')))
    const clientOf = async (user: string) => {
      const found = await until(`${user} is present`, async () => {
        const { clients } = await caller.presence('room:call')
        return Object.values(clients).find(info => info.user === user)
      })
      return found.client
    }
    for (const user of ['far', 'near']) {
      await caller.rpc('holdfast.signal', {
        channel: 'room:call',
        to: { client: await clientOf(user) },
        data: { sdp: `offer for ${user}` },
      })
    }
    await received(records[1] as (typeof records)[0], 1)
    await received(records[2] as (typeof records)[0], 1)
    await caller.publish('room:call', 'mark')
    await Promise.all(records.slice(1).map((record, i) => received(record, i === 2 ? 1 : 2)))
    expect(records.map(record => record.data().filter(data => data !== 'mark'))).toEqual([
      [],
      [{ sdp: 'offer for near' }],
      [{ sdp: 'offer for far' }],
      [],
    ])
    for (const client of [caller, ...others]) client.disconnect()
  })

  it('to a user reach all of that user’s tabs; without echo the sender’s own tab alone is left out', async () => {
    const tab1 = await connect(a(), 'dora')
    const tab2 = await connect(b(), 'dora')
    const other = await connect(b(), 'emil')
    const [one, two, three] = await Promise.all([tab1, tab2, other].map(each => subscribe(each, 'room:tabs')))
    if (!one || !two || !three) throw new Error('three subscriptions')
    await other.rpc('holdfast.signal', { channel: 'room:tabs', to: { user: 'dora' }, data: 'to dora' })
    await Promise.all([received(one, 1), received(two, 1)])
    await tab1.rpc('holdfast.signal', { channel: 'room:tabs', data: 'from tab 1' })
    await Promise.all([received(two, 2), received(three, 1)])
    await tab1.rpc('holdfast.signal', { channel: 'room:tabs', data: 'echoed', echo: true })
    await Promise.all([received(one, 2), received(two, 3), received(three, 2)])
    expect(one.data()).toEqual(['to dora', 'echoed'])
    expect(two.data()).toEqual(['to dora', 'from tab 1', 'echoed'])
    expect(three.data()).toEqual(['from tab 1', 'echoed'])
    for (const client of [tab1, tab2, other]) client.disconnect()
  })

  it('presence sees both nodes’ clients, and leaving is seen on the other node', async () => {
    const watcher = await connect(a(), 'watcher')
    const record = await subscribe(watcher, 'room:who')
    const events: string[] = []
    record.subscription.on('join', ({ info }) => events.push(`join ${info.user}`))
    record.subscription.on('leave', ({ info }) => events.push(`leave ${info.user}`))
    const counts = async (clients: number, users: number) => {
      const { numClients, numUsers } = await watcher.presenceStats('room:who')
      return numClients === clients && numUsers === users
    }
    const guest = await connect(b(), 'guest')
    const second = await connect(b(), 'guest')
    await subscribe(guest, 'room:who')
    await subscribe(second, 'room:who')
    await until('both tabs have joined', () => events.filter(each => each === 'join guest').length === 2)
    await until('all are present', async () => {
      const { clients } = await watcher.presence('room:who')
      const users = Object.values(clients).map(info => info.user)
      return users.sort().join() === 'guest,guest,watcher'
    })
    await until('all are counted', () => counts(3, 2))
    guest.disconnect()
    second.disconnect()
    await until('both have left', () => events.filter(each => each === 'leave guest').length === 2)
    await until('the watcher is counted alone', () => counts(1, 1))
    watcher.disconnect()
  })

  it('are not missed when published the moment a subscription on the other node is answered, 200 times', async () => {
    const publisher = await connect(a(), 'publisher')
    const subscriber = await connect(b(), 'subscriber')
    const missed: number[] = []
    const race = `room:race-${randomUUID()}`
    for (let round = 0; round < 200; round++) {
      const record = await subscribe(subscriber, `${race}-${round}`)
      await publisher.publish(`${race}-${round}`, round)
      await received(record, 1, 15_000).catch(() => missed.push(round))
      record.subscription.unsubscribe()
      subscriber.removeSubscription(record.subscription)
    }
    expect(missed).toEqual([])
    publisher.disconnect()
    subscriber.disconnect()
  }, 180_000)
})
