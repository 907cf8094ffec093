import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  append,
  type DurableNodes,
  dense,
  durable,
  durableNodes,
  listen,
} from '../../test/support/durable-nodes.ts'
import { RecordingOutlet } from '../../test/support/recording-outlet.ts'
import { until } from '../../test/support/until.ts'
import { newEventId } from '../domain/index.ts'

let nodes: DurableNodes
let made = 0
const channelName = () => `order:${++made}`

beforeAll(async () => {
  nodes = await durableNodes()
})
afterAll(() => nodes.close())

describe('appending', () => {
  it('answers with the place, the id and the time, and says duplicate to a retry on either node', async () => {
    const channel = channelName()
    const id = newEventId()
    const event = { channel, type: 'Paid', data: '{"a": 1.0}', id: id.toUpperCase() }
    const first = await nodes.a.append(event)
    expect(first).toMatchObject({ offset: 1, epoch: nodes.epoch, id, duplicate: false })
    expect(await nodes.b.append(event)).toEqual({ ...first, duplicate: true })
    expect(await nodes.a.append({ ...event, expectedOffset: 0 })).toEqual({ ...first, duplicate: true })
  })

  it('makes ids, and refuses what is none', async () => {
    const channel = channelName()
    const { id } = await nodes.a.append({ channel, type: 'Paid', data: '1' })
    expect(id).toMatch(/^[0-9a-f-]{36}$/)
    await expect(nodes.a.append({ channel, type: 'Paid', data: '1', id: 'seven' })).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
    })
  })

  it('tells conflicts of offset, of identity and of content apart', async () => {
    const channel = channelName()
    const id = newEventId()
    await nodes.a.append({ channel, type: 'Paid', data: '1', id })
    await expect(
      nodes.b.append({ channel, type: 'Paid', data: '2', expectedOffset: 0 }),
    ).rejects.toMatchObject({
      code: 'OFFSET_CONFLICT',
      details: { head: 1 },
    })
    await expect(nodes.b.append({ channel, type: 'Paid', data: '2', id })).rejects.toMatchObject({
      code: 'DUPLICATE_CONFLICT',
    })
    await expect(nodes.b.append({ channel, type: 'Paid', data: '"\u0000"' })).rejects.toMatchObject({
      code: 'PAYLOAD_INVALID',
    })
  })
})

describe('subscribers on two nodes', () => {
  it('see what both nodes append to shared channels, without hole or duplicate', async () => {
    const channels = Array.from({ length: 5 }, channelName)
    const subscribers = await Promise.all(
      channels.flatMap(channel => [nodes.a, nodes.b].map(node => listen(node, channel))),
    )
    const tasks = Array.from({ length: 1_000 }, (_, i) =>
      append(i % 2 === 0 ? nodes.a : nodes.b, channels[i % 5] ?? '', 1),
    )
    await Promise.all(tasks)
    await until('all have all', () => subscribers.every(each => each.offsets().length >= 200))
    for (const each of subscribers) expect(each.offsets()).toEqual(dense(1, 200))
  })

  it('get an event appended right after the reply, every time', async () => {
    for (let round = 0; round < 100; round++) {
      const channel = channelName()
      const subscriber = await listen(nodes.b, channel)
      await append(nodes.a, channel, 1)
      await until(`round ${round}`, () => subscriber.offsets().length > 0)
      expect(subscriber.offsets()).toEqual([1])
    }
  })

  it('get the bytes that were appended, hot and cold alike', async () => {
    const channel = channelName()
    const data = '{ "n": 1.0,\n "big": 12345678901234567890, "é": "\\u00e9" }'
    const info = { user: 'anna', client: 'c1', connInfo: '{"x": 1}' }
    const live = new RecordingOutlet()
    const subscription = await nodes.b.subscribe({ channel, outlet: live, options: durable })
    subscription.join()
    const { id, time } = await nodes.a.append({ channel, type: 'Paid', data, info })
    await until('it is there', () => live.lines.length === 1)
    const hot = await nodes.b.history({ channel, limit: 10, reverse: false })
    await nodes.redis.flushall()
    const cold = await nodes.b.history({ channel, limit: 10, reverse: false })
    expect(hot).toEqual(cold)
    const [publication = ''] = hot.publications
    expect(publication).toBe(
      `{"data":${data.replace('\n', ' ')},"info":{"user":"anna","client":"c1","conn_info":{"x": 1}},"offset":1,` +
        `"tags":{"id":"${id}","type":"Paid"},"time":${time}}`,
    )
    expect(live.lines).toEqual([`{"push":{"channel":"${channel}","pub":${publication}}}`])
  })

  it('are counted while they are there', async () => {
    const channel = channelName()
    const { outlet } = await listen(nodes.a, channel)
    await listen(nodes.a, channel)
    expect(nodes.a.channels().get(channel)).toBe(2)
    nodes.a.unsubscribe(channel, outlet.client)
    expect(nodes.a.channels().get(channel)).toBe(1)
    await append(nodes.a, channel, 1)
    expect(outlet.lines).toEqual([])
  })
})

describe('continuing', () => {
  it('from another epoch is not recovered, from the present one it is', async () => {
    const channel = channelName()
    await append(nodes.a, channel, 5)
    const other = await listen(nodes.b, channel, { offset: 2, epoch: 'another' })
    expect([other.recovered, other.position]).toEqual([false, { epoch: nodes.epoch, offset: 5 }])
    const same = await listen(nodes.b, channel, { offset: 2, epoch: nodes.epoch })
    expect([same.recovered, same.position, same.offsets()]).toEqual([
      true,
      { epoch: nodes.epoch, offset: 2 },
      [3, 4, 5],
    ])
  })

  it('beyond what may be pushed is left to paging', async () => {
    const channel = channelName()
    await append(nodes.a, channel, 30, { atOnce: true })
    const options = { ...durable, replay: { maxPushed: 10 } }
    const far = await listen(nodes.b, channel, 10, options)
    expect([far.recovered, far.position.offset]).toEqual([false, 30])
    const near = await listen(nodes.b, channel, 20, options)
    expect([near.recovered, near.offsets()]).toEqual([true, dense(21, 30)])
    await append(nodes.a, channel, 1)
    await until('both are live', () => far.offsets().length === 1 && near.offsets().length === 11)
    expect(far.offsets()).toEqual([31])
  })

  it('below what retention has left is not recovered, also with the events still in Redis', async () => {
    const channel = channelName()
    await append(nodes.a, channel, 20, { atOnce: true })
    const { bare, epoch, database } = nodes
    await database.sql`select holdfast.remove_events(${epoch}, ${bare.partitionOf(channel)}, ${channel}, 10, 100)`
    const below = await listen(nodes.b, channel, 9)
    expect([below.recovered, below.position.offset, below.offsets()]).toEqual([false, 20, []])
    const at = await listen(nodes.b, channel, 10)
    expect([at.recovered, at.offsets()]).toEqual([true, dense(11, 20)])
    const page = await nodes.a.history({ channel, limit: 100, reverse: false })
    expect([page.floor, page.publications.length]).toEqual([10, 10])
  })

  it('with a large past gets the first part in the reply and the rest as pushes, then live ones', async () => {
    const channel = channelName()
    const data = JSON.stringify('x'.repeat(1_000))
    await append(nodes.a, channel, 3_000, { atOnce: true, data })
    const subscriber = await listen(nodes.b, channel, 0)
    await append(nodes.a, channel, 50, { data })
    await until('it has all', () => subscriber.offsets().length >= 3_050)
    expect(subscriber.offsets()).toEqual(dense(1, 3_050))
    expect(subscriber.outlet.lines.length).toBeLessThan(3_050)
    expect(subscriber.outlet.packets.some(({ packet }) => packet.messages > 100)).toBe(true)
  })
})

describe('a cold past of large events', () => {
  it('comes in pieces that a slow socket can take, in replies and in pages of history', async () => {
    const channel = channelName()
    const data = JSON.stringify('x'.repeat(60_000))
    await append(nodes.a, channel, 60, { data })
    await nodes.redis.flushall()
    const bytes = (publications: readonly string[]) => publications.join('').length
    const outlet = new RecordingOutlet()
    const recover = { offset: 0, epoch: '' }
    const subscription = await nodes.b.subscribe({ channel, outlet, options: durable, recover })
    subscription.join()
    expect(bytes(subscription.publications)).toBeLessThan(1_000_000)
    const expected = 60 - subscription.publications.length
    await until('the rest has come', () => outlet.lines.length >= expected)
    expect(outlet.offsets()).toEqual(dense(subscription.publications.length + 1, 60))
    for (const { packet } of outlet.packets) expect(packet.payload.length).toBeLessThan(1_100_000)
    const page = await nodes.b.history({ channel, limit: 300, reverse: false })
    expect(page.publications.length).toBeGreaterThan(0)
    expect(bytes(page.publications)).toBeLessThan(1_000_000)
  })
})

describe('history', () => {
  const offsets = (page: { publications: readonly string[] }) =>
    page.publications.map(text => (JSON.parse(text) as { offset: number }).offset)

  it('pages up and down with the head and the epoch, hot, half hot and cold', async () => {
    const channel = channelName()
    await append(nodes.a, channel, 20, { atOnce: true })
    const since = (offset: number) => ({ offset, epoch: nodes.epoch })
    const look = async () => {
      const page = async (request: {
        since?: { offset: number; epoch: string }
        limit: number
        reverse?: boolean
      }) => {
        const found = await nodes.b.history({ channel, reverse: false, ...request })
        expect(found).toMatchObject({ offset: 20, epoch: nodes.epoch, floor: 0 })
        return offsets(found)
      }
      expect(await page({ limit: 5 })).toEqual(dense(1, 5))
      expect(await page({ since: since(5), limit: 5 })).toEqual(dense(6, 10))
      expect(await page({ since: since(17), limit: 100 })).toEqual(dense(18, 20))
      expect(await page({ since: since(20), limit: 5 })).toEqual([])
      expect(await page({ since: since(25), limit: 5 })).toEqual([])
      expect(await page({ limit: 3, reverse: true })).toEqual([20, 19, 18])
      expect(await page({ since: since(18), limit: 3, reverse: true })).toEqual([17, 16, 15])
      expect(await page({ since: since(3), limit: 9, reverse: true })).toEqual([2, 1])
      expect(await page({ since: since(1), limit: 9, reverse: true })).toEqual([])
      expect(await page({ limit: 0 })).toEqual([])
    }
    await look()
    const [key = ''] = await nodes.redis.keys(`*:h:*:${channel}`)
    await nodes.redis.xtrim(key, 'MAXLEN', 7)
    await look()
    await nodes.redis.del(key)
    await look()
  })

  it('never hides what another node has acknowledged', async () => {
    const channel = channelName()
    for (let n = 1; n <= 50; n++) {
      await append(nodes.a, channel, 1)
      const page = await nodes.b.history({ channel, limit: 100, reverse: false })
      expect([page.offset, page.publications.length]).toEqual([n, n])
    }
  })

  it('knows no place of another epoch', async () => {
    const since = { offset: 1, epoch: 'another' }
    await expect(
      nodes.a.history({ channel: channelName(), since, limit: 1, reverse: false }),
    ).rejects.toMatchObject({
      code: 'POSITION_LOST',
    })
  })
})

it('says how it is', async () => {
  await until('the mirror is level', () => nodes.a.status().mirror === 'ready')
  expect(nodes.a.status()).toEqual({ ledger: 'ready', mirror: 'ready', epoch: nodes.epoch })
})
