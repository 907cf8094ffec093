import type { Centrifuge } from 'centrifuge'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, openNamespaces, startCluster } from '../support/cluster.ts'
import { connect, received, subscribe, token } from '../support/sdk.ts'

interface Cursor {
  readonly offset: number
  readonly epoch: string
  readonly head: number
  readonly lag: number
  readonly moved?: number
}

const ack = async (client: Centrifuge, request: object) =>
  (await client.rpc('holdfast.ack', request)).data as { offset: number; epoch: string }
const cursorOf = async (client: Centrifuge, channel: string, cursor = 'inbox') =>
  (await client.rpc('holdfast.cursor', { channel, cursor })).data as Cursor

describe('cursors over two nodes, with the bare SDK', () => {
  let cluster: Cluster
  const url = (node: number) => cluster.nodes[node]?.url ?? ''
  const record = async (channel: string, count: number) => {
    for (let n = 1; n <= count; n++)
      await cluster.nodes[0]?.api('append', { channel, type: 'Numbered', data: { n } })
  }

  beforeAll(async () => {
    cluster = await startCluster({
      config: {
        auth: { allowAnonymous: true },
        limits: { maxCursorsPerUser: 3 },
        namespaces: {
          ...openNamespaces,
          case: { tier: 'durable', allow: { subscribe: ['token'] } },
        },
      },
    })
  })
  afterAll(() => cluster?.close())

  it('go on where they were acknowledged, on another device and another node', async () => {
    const channel = 'order:devices'
    await record(channel, 10)
    const phone = await connect(url(0), 'ann')
    const before = await cursorOf(phone, channel)
    expect(before).toEqual({ offset: 0, epoch: before.epoch, head: 10, lag: 10 })
    const first = await subscribe(phone, channel, { since: { offset: before.offset, epoch: before.epoch } })
    await received(first, 10)
    expect(await ack(phone, { channel, cursor: 'inbox', offset: 6, epoch: before.epoch })).toEqual({
      offset: 6,
      epoch: before.epoch,
    })
    phone.disconnect()
    await record(channel, 1)
    const laptop = await connect(url(1), 'ann')
    const place = await cursorOf(laptop, channel)
    expect(place).toMatchObject({ offset: 6, head: 11, lag: 5 })
    const second = await subscribe(laptop, channel, { since: { offset: place.offset, epoch: place.epoch } })
    await received(second, 5)
    expect(second.offsets()).toEqual([7, 8, 9, 10, 11])
    expect(await ack(laptop, { channel, cursor: 'inbox', offset: 2 })).toMatchObject({ offset: 6 })
    laptop.disconnect()
  })

  it('belong to their user alone, and anonymous clients have none', async () => {
    const channel = 'order:mine'
    await record(channel, 5)
    const [ann, ben, nobody] = [
      await connect(url(0), 'ann'),
      await connect(url(1), 'ben'),
      await connect(url(0), '', { token: '' }),
    ]
    await ack(ann, { channel, cursor: 'inbox', offset: 4 })
    // Whatever a request says of a user, the connection's own counts.
    await ack(ben, { channel, cursor: 'inbox', offset: 1, user: 'ann' })
    expect(await cursorOf(ann, channel)).toMatchObject({ offset: 4 })
    expect(await cursorOf(ben, channel)).toMatchObject({ offset: 1 })
    const refused = { code: 103, message: expect.stringMatching(/belong to a user.*anonymous/) }
    await expect(ack(nobody, { channel, cursor: 'inbox', offset: 1 })).rejects.toMatchObject(refused)
    await expect(cursorOf(nobody, channel)).rejects.toMatchObject(refused)
    for (const client of [ann, ben, nobody]) client.disconnect()
  })

  it('above the head, of another epoch, with a bad name or too many are refused in words', async () => {
    const channel = 'order:refused'
    await record(channel, 2)
    const client = await connect(url(1), 'cleo')
    const refusals: [object, object][] = [
      [{ offset: 3 }, { code: 107, message: expect.stringContaining('has 2 events') }],
      [{ offset: 1, epoch: 'formerly' }, { code: 112 }],
      [
        { offset: 1, cursor: 'with space' },
        { code: 107, message: expect.stringContaining('1 to 64') },
      ],
      [{ offset: 1, channel: 'room:1' }, { code: 108 }],
      [{ offset: 1, channel: 'nowhere:1' }, { code: 102 }],
      [
        { offset: 1, channel: 'case:1' },
        { code: 103, message: 'permission denied' },
      ],
      [{}, { code: 107, message: expect.stringContaining('offset is missing') }],
    ]
    for (const [request, error] of refusals) {
      await expect(ack(client, { channel, cursor: 'inbox', ...request })).rejects.toMatchObject(error)
    }
    expect(await cursorOf(client, channel)).toMatchObject({ offset: 0, head: 2 })
    for (const cursor of ['a', 'b', 'c']) await ack(client, { channel, cursor, offset: 1 })
    await expect(ack(client, { channel, cursor: 'd', offset: 1 })).rejects.toMatchObject({
      code: 106,
      message: expect.stringContaining('at most 3 cursors'),
    })
    client.disconnect()
  })

  it('on a channel of tokens are for who has one, or is subscribed by one', async () => {
    const channel = 'case:7'
    await record(channel, 3)
    const client = await connect(url(0), 'dora')
    await expect(cursorOf(client, channel)).rejects.toMatchObject({ code: 103 })
    const channelToken = await token('dora', { channel })
    expect(
      (await client.rpc('holdfast.cursor', { channel, cursor: 'inbox', token: channelToken })).data,
    ).toMatchObject({
      lag: 3,
    })
    const { subscription } = await subscribe(client, channel, { token: channelToken })
    expect(await ack(client, { channel, cursor: 'inbox', offset: 3 })).toMatchObject({ offset: 3 })
    subscription.unsubscribe()
    await expect(cursorOf(client, channel)).rejects.toMatchObject({ code: 103 })
    client.disconnect()
  })

  it('while Postgres cannot write get a temporary error within seconds, and are right afterwards', async () => {
    const channel = 'order:away'
    await record(channel, 3)
    const client = await connect(url(0), 'eve', { timeout: 10_000 })
    const sql = postgres(cluster.databaseUrl, { max: 1 })
    const lock = await sql.reserve()
    await lock`begin`
    await lock`lock table holdfast.cursors in access exclusive mode`
    const started = performance.now()
    await expect(ack(client, { channel, cursor: 'inbox', offset: 3 })).rejects.toMatchObject({
      code: 100,
      temporary: true,
    })
    expect(performance.now() - started).toBeLessThan(6_000)
    await lock`rollback`
    lock.release()
    await sql.end()
    expect(await ack(client, { channel, cursor: 'inbox', offset: 2 })).toMatchObject({
      offset: expect.any(Number),
    })
    expect((await cursorOf(client, channel)).offset).toBeGreaterThanOrEqual(2)
    client.disconnect()
  })
})
