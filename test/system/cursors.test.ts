import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Client, createClient } from '../../src/client/index.ts'
import { type Cluster, type Node, startCluster } from '../support/cluster.ts'
import { dense, token } from '../support/sdk.ts'
import { until } from '../support/until.ts'

describe('the cursor of a user with two devices on two nodes', () => {
  let cluster: Cluster
  let sql: postgres.Sql
  const clients: Client[] = []

  beforeAll(async () => {
    cluster = await startCluster()
    sql = postgres(cluster.databaseUrl, { max: 2 })
  })
  afterAll(async () => {
    for (const client of clients) client.disconnect()
    await sql?.end()
    await cluster?.close()
  })

  async function device(user: string, nodes: readonly Node[]): Promise<Client> {
    const client = createClient(
      nodes.map(node => node.url),
      {
        token: await token(user),
        reconnectDelayMs: { min: 10, max: 100 },
        timeoutMs: 2_000,
        onError: () => undefined,
      },
    )
    clients.push(client)
    await client.connect()
    return client
  }

  async function record(channel: string, count: number, by: Node): Promise<void> {
    for (let n = 0; n < count; n++) await by.api('append', { channel, type: 'Counted', data: n })
  }

  async function keptAt(channel: string, user: string): Promise<number> {
    const [row] = await sql`
      select "offset" from holdfast.cursors where channel = ${channel} and "user" = ${user} and name = 'inbox'`
    return Number(row?.['offset'] ?? 0)
  }

  it('is never above what a device acknowledged nor below what it was answered, when nodes are killed', async () => {
    const channel = 'order:crash'
    let [a, b] = cluster.nodes as [Node, Node]
    const phone = await device('ann', [a, b])
    const laptop = await device('ann', [b, a])
    const stranger = await device('ben', [b])
    await record(channel, 3, b)
    stranger.channel(channel).cursor('inbox').ack(1)
    await stranger.channel(channel).cursor('inbox').flush()

    /** The highest offset that any device has acknowledged, and the highest that a flush has promised. */
    let acknowledged = 0
    let answered = 0
    let going = true
    const seen = new Set<number>()
    const loops = [phone, laptop].map(async client => {
      const cursor = client.channel(channel).cursor('inbox')
      client.channel(channel).subscribe({
        cursor: 'inbox',
        ack: 'manual',
        onEvent: async event => {
          seen.add(event.offset ?? 0)
          acknowledged = Math.max(acknowledged, event.offset ?? 0)
          cursor.ack(event)
        },
      })
      while (going) {
        const own = cursor.acknowledged?.offset ?? 0
        answered = Math.max(answered, own)
        await cursor.flush()
        await new Promise(resolve => setTimeout(resolve, 1))
      }
    })
    let last = 0
    const look = async () => {
      const least = answered
      const offset = await keptAt(channel, 'ann')
      expect(offset).toBeGreaterThanOrEqual(Math.max(least, last))
      expect(offset).toBeLessThanOrEqual(acknowledged)
      last = offset
    }
    const watched = (async () => {
      while (going) {
        await look()
        await new Promise(resolve => setTimeout(resolve, 5))
      }
    })()

    let head = 3
    for (const round of [1, 2]) {
      const [victim, survivor] = round === 1 ? [a, b] : [b, a]
      const before = answered
      await record(channel, 20, survivor)
      head += 20
      await until('acks are answered', () => answered > before)
      const writing = record(channel, 30, survivor)
      head += 30
      await until('more is on its way', () => acknowledged > answered || acknowledged === head)
      await victim.kill()
      await look()
      await writing
      const again = await cluster.start({ port: victim.port })
      if (round === 1) a = again
      else b = again
      await until(
        'everything is answered',
        async () => answered === head && (await keptAt(channel, 'ann')) === head,
      )
    }
    going = false
    await Promise.all([...loops, watched])
    expect([...seen].sort((x, y) => x - y)).toEqual(dense(head))
    expect(await keptAt(channel, 'ben')).toBe(1)
  }, 60_000)

  it('goes on a week later where it was, on a third device', async () => {
    const channel = 'order:week'
    const [a, b] = cluster.nodes.slice(-2) as [Node, Node]
    await record(channel, 6, b)
    const phone = await device('dora', [a])
    const handled: number[] = []
    const gate = Promise.withResolvers<void>()
    phone.channel(channel).subscribe({
      cursor: 'inbox',
      onEvent: event => {
        handled.push(event.offset ?? 0)
        return event.offset === 4 ? gate.promise : undefined
      },
    })
    await until('the fourth is being handled', () => handled.includes(4))
    await until('three are acknowledged', async () => (await keptAt(channel, 'dora')) === 3)
    phone.disconnect()
    gate.resolve()
    await sql`update holdfast.cursors set moved = moved - 7 * 86400000 where "user" = 'dora'`
    await record(channel, 2, a)
    const tablet = await device('dora', [b])
    const later: number[] = []
    tablet.channel(channel).subscribe({ cursor: 'inbox', onEvent: event => later.push(event.offset ?? 0) })
    await until('all have come', () => later.at(-1) === 8)
    expect(later).toEqual([4, 5, 6, 7, 8])
    await until('all are acknowledged', async () => (await keptAt(channel, 'dora')) === 8)
    const state = await tablet.channel(channel).cursor('inbox').position()
    expect(state).toMatchObject({ offset: 8, head: 8, lag: 0 })
    expect(Date.now() - (state.moved ?? 0)).toBeLessThan(60_000)
  })
})
