import { randomUUID } from 'node:crypto'
import { connect as connectTcp } from 'node:net'
import type { Centrifuge } from 'centrifuge'
import postgres from 'postgres'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createClient } from '../../src/client/index.ts'
import { startBalancer } from '../support/balancer.ts'
import { apiKey, type Cluster, type Node, startCluster } from '../support/cluster.ts'
import { FrameClient } from '../support/frame-client.ts'
import { frameBytes, RawSocket } from '../support/raw-socket.ts'
import { connect, dense, type Recorded, subscribe, token } from '../support/sdk.ts'
import { until } from '../support/until.ts'

const channel = 'order:shared'

describe('a node that is told to stop', () => {
  let cluster: Cluster
  let a: Node
  let b: Node
  beforeEach(async () => {
    cluster = await startCluster()
    a = cluster.nodes[0] as Node
    b = cluster.nodes[1] as Node
  })
  afterEach(() => cluster?.close())

  const ledgerIds = async (): Promise<string[]> => {
    const sql = postgres(cluster.databaseUrl, { max: 1 })
    const rows = await sql<{ id: string }[]>`
      select id from holdfast.events where channel = ${channel} order by "offset"`
    await sql.end()
    return rows.map(({ id }) => id)
  }

  it('hands its clients to the other node in the midst of load, and loses nothing that it acknowledged', async () => {
    const balancer = await startBalancer([a.port, b.port])
    const crowd = await Promise.all(Array.from({ length: 30 }, (_, i) => connect(balancer.url, `user-${i}`)))
    const codes: number[] = []
    const firstIds = crowd.map(client => clientId(client))
    for (const client of crowd) client.on('connecting', ({ code }) => codes.push(code))
    const rooms = await Promise.all(crowd.map(client => subscribe(client, 'room:all')))
    const orders = await Promise.all(crowd.map(client => subscribe(client, channel)))
    const lost: string[] = []
    for (const { subscription } of orders) {
      subscription.on('subscribed', context => {
        if (context.wasRecovering && !context.recovered) lost.push(subscription.channel)
      })
      subscription.on('unsubscribed', ({ reason }) => lost.push(reason))
    }

    const acknowledged = new Set<string>()
    let running = true
    // Our client is given both addresses and repeats by itself; the bare SDK tries once, through the balancer.
    const writers = await Promise.all(
      Array.from({ length: 6 }, async (_, n) => {
        const client = createClient([a.url, b.url], {
          token: await token(`writer-${n}`),
          reconnectDelayMs: { min: 20, max: 200 },
          onError: () => undefined,
        })
        await client.connect()
        return client
      }),
    )
    const writing = [
      ...writers.map(async client => {
        while (running) acknowledged.add((await client.channel(channel).append('Counted', {})).id)
      }),
      ...crowd.slice(0, 6).map(async client => {
        while (running) {
          const id = randomUUID()
          const append = client.rpc('holdfast.append', { channel, type: 'Counted', data: {}, id })
          const done = await append.catch(() => client.ready(10_000))
          if (done) acknowledged.add(id)
        }
      }),
      ...crowd.slice(6, 12).map(async client => {
        while (running) await client.publish('room:all', {}).catch(() => client.ready(10_000))
      }),
    ]
    const further = async (count: number) => {
      const goal = acknowledged.size + count
      await until(`${count} further appends`, () => acknowledged.size >= goal)
    }

    await further(300)
    expect(await a.stop()).toBe(0)
    await further(300)
    running = false
    await Promise.all(writing)

    await expect(attempt(a.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await until('everyone is connected', () => crowd.every(client => client.state === 'connected'))
    expect(codes.filter(code => code === 3001)).toHaveLength(crowd.length)
    const ids = await ledgerIds()
    expect(new Set(ids).size).toBe(ids.length)
    expect([...acknowledged].filter(id => !ids.includes(id))).toEqual([])
    await until('every subscriber has everything', () =>
      orders.every(order => order.offsets().at(-1) === ids.length),
    )
    for (const order of orders) {
      expect(order.offsets()).toEqual(dense(ids.length))
      expect(idsOf(order)).toEqual(ids)
    }
    expect(lost).toEqual([])

    await b.api('publish', { channel: 'room:all', data: 'all here' })
    await until('all hear of it', () => rooms.every(room => room.data().includes('all here')))
    for (const room of rooms) expect(room.data().filter(data => data === 'all here')).toHaveLength(1)
    const { presence } = await b.api<{ presence: Record<string, unknown> }>('presence', {
      channel: 'room:all',
    })
    expect(Object.keys(presence).sort()).toEqual(crowd.map(client => clientId(client)).sort())
    expect(firstIds.some(id => id in presence)).toBe(false)
    for (const client of [...crowd, ...writers]) client.disconnect()
    await balancer.close()
  }, 90_000)

  it('answers every command that it has taken before it says goodbye', async () => {
    const client = await FrameClient.connected(a.url, await token('ann'))
    const commands = Array.from({ length: 200 }, (_, i) => ({
      id: i + 2,
      rpc: { method: 'holdfast.append', data: { channel, type: 'Counted', data: {}, id: randomUUID() } },
    }))
    client.send(...commands)
    // A connection that the node has not accepted yet is refused, which its caller hears.
    const calls = Array.from({ length: 50 }, () => apiAppend(a).catch(() => undefined))
    await client.expectReply(2)
    await Promise.race(calls)
    const stopped = a.stop()
    for (let n = 1; n < 200; n++) expect((await client.expectReply(n + 2)).error).toBeUndefined()
    expect(await client.ended()).toEqual({ code: 3001, reason: 'shutdown' })
    expect(await stopped).toBe(0)
    const answered = (await Promise.all(calls)).filter(id => id !== undefined)
    expect(answered.length).toBeGreaterThan(0)
    const taken = [...commands.map(({ rpc }) => rpc.data.id), ...answered]
    expect((await ledgerIds()).sort()).toEqual(taken.sort())
  })

  it('does not wait for ever for those who do not listen', async () => {
    const deaf = await FrameClient.connected(a.url, await token('deaf'))
    deaf.send({ id: 2, subscribe: { channel: 'room:deaf' } })
    await deaf.expectReply(2)
    deaf.stopReading()
    const mute = await RawSocket.open(a.port)
    mute.socket.pause()
    mute.write(frameBytes('{"id":1,"connect":'))
    const slowRequest = connectTcp(a.port, '127.0.0.1')
    slowRequest.on('error', () => undefined)
    slowRequest.write('POST /api/info HTTP/1.1\r\nHost: a\r\n')
    expect(await a.stop()).toBe(0)
    await expect(attempt(a.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    deaf.close()
    mute.destroy()
    slowRequest.destroy()
  })

  it('ends in order at Ctrl-C too, alone or as the last of all', async () => {
    const client = await connect(b.url, 'ann')
    await client.publish(channel, 'before')
    client.disconnect()
    for (const node of [a, b]) {
      node.process.kill('SIGINT')
      await until('it has ended', () => node.process.exitCode !== null || node.process.signalCode !== null)
      expect(node.process.exitCode).toBe(0)
    }
    expect(await ledgerIds()).toHaveLength(1)
  })
})

function clientId(client: Centrifuge): string {
  return (client as unknown as { _client: string })._client
}

function idsOf(order: Recorded): (string | undefined)[] {
  return order.publications.map(({ tags }) => tags?.['id'])
}

async function apiAppend(node: Node): Promise<string> {
  const response = await fetch(`${node.http}/api/append`, {
    method: 'POST',
    headers: { 'x-api-key': apiKey, 'content-type': 'application/json' },
    body: JSON.stringify({ channel, type: 'Counted', data: {} }),
  })
  return ((await response.json()) as { result: { id: string } }).result.id
}

function attempt(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp(port, '127.0.0.1', () => {
      socket.destroy()
      resolve()
    })
    socket.once('error', reject)
  })
}
