import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createClient } from '../../src/client/index.ts'
import { type Cluster, everything, type Node, startCluster } from '../support/cluster.ts'
import { FrameClient } from '../support/frame-client.ts'
import { MiB, memoryOf } from '../support/memory-watch.ts'
import { RoomReader } from '../support/room-reader.ts'
import { connect, dense, received, subscribe, token } from '../support/sdk.ts'
import { until } from '../support/until.ts'

const maxMailboxBytes = 262_144
const perBatch = 10
/** What the kernel holds for a socket that is not read is its own affair; it has never been near this much. */
const mostMessages = 1_000
/** Two hundred readers share this process. */
const patienceMs = 60_000
/** So that a few fill no bound, and many fill every buffer. */
const padding = 'x'.repeat(16_384)
const allow = { subscribe: everything, publish: everything, append: everything, history: everything }

describe('a node that is asked for too much', () => {
  let cluster: Cluster
  let node: Node

  beforeAll(async () => {
    cluster = await startCluster({
      nodes: 1,
      config: {
        auth: { allowAnonymous: true },
        limits: {
          maxMailboxBytes,
          // Readers here answer no pings.
          pingIntervalMs: 600_000,
          rates: { connectionCommands: { perSecond: 1, burst: 300 } },
        },
        namespaces: {
          room: { allow },
          order: { tier: 'durable', allow },
          slow: { tier: 'durable', publicationRate: { perSecond: 2, burst: 10 }, allow },
          busy: { publicationRate: { perSecond: 0.1, burst: 20 }, allow },
        },
      },
    })
    node = cluster.nodes[0] as Node
  })
  afterAll(() => cluster?.close())

  /** The value of one line of the metrics; 0 where there is none. */
  async function metric(line: string): Promise<number> {
    const text = await (await fetch(`${node.http}/metrics`)).text()
    const lines = text.split('\n')
    const name = line.replace(/\{.*/, '')
    if (!lines.includes(`# TYPE ${name} ${name.endsWith('_total') ? 'counter' : 'gauge'}`)) {
      throw new Error(`there is no metric ${name}`)
    }
    const found = lines.find(each => each.startsWith(`${line} `))
    return Number(found?.split(' ')[1] ?? 0)
  }

  it.each([
    ['realtime', 200, 'room:big'],
    ['durable', 50, 'order:big'],
  ])(
    'cuts the one in a %s room of %i that does not read, and the others miss nothing',
    async (_, size, channel) => {
      const readers = await Promise.all(
        Array.from({ length: size }, () => RoomReader.open(node.url, channel)),
      )
      const [slow, ...others] = readers as [RoomReader, ...RoomReader[]]
      const before = { memory: ownMemory(), cut: await metric('holdfast_slow_consumers_total') }
      slow.stopReading()
      let sent = 0
      let memory = 0
      while ((await metric('holdfast_slow_consumers_total')) === before.cut) {
        if (sent >= mostMessages) throw new Error(`the slow one is not cut after ${sent} messages`)
        const batch = Array.from({ length: perBatch }, () =>
          node.api('publish', { channel, data: `${++sent}:${padding}` }),
        )
        await Promise.all(batch)
        await until(
          'the others have them',
          () => others.every(({ numbers }) => numbers.length === sent),
          patienceMs,
        )
        memory = Math.max(memory, ownMemory())
      }
      console.log(
        `${channel}: cut after ${sent} messages, memory ${Math.round((memory - before.memory) / MiB)} MiB more`,
      )
      expect(memory - before.memory).toBeLessThan(128 * MiB)
      for (const { numbers, code } of others) {
        expect(code).toBeUndefined()
        expect(numbers).toEqual(others[0]?.numbers)
      }
      expect([...(others[0]?.numbers ?? [])].sort((a, b) => a - b)).toEqual(dense(sent))
      expect(await metric('holdfast_slow_consumers_total')).toBe(before.cut + 1)
      // It learns why when it reads again.
      slow.readAgain()
      await until('the slow one is told', () => slow.code !== undefined, patienceMs)
      expect(slow.code).toBe(3008)
      for (const reader of readers) reader.close()
    },
    120_000,
  )

  it('limits a flooded room, and the room beside it does not notice', async () => {
    const [flooder, listener] = [await connect(node.url, 'flooder'), await connect(node.url, 'listener')]
    const flooded = await subscribe(listener, 'busy:flooded')
    const quiet = await subscribe(listener, 'busy:quiet')
    const neighbour = await connect(node.url, 'neighbour')
    const said = Promise.allSettled(
      Array.from({ length: 200 }, (_, i) => flooder.publish('busy:flooded', i + 1)),
    )
    for (let i = 1; i <= 15; i++) await neighbour.publish('busy:quiet', i)
    const outcomes = await said
    const refused = outcomes.filter(({ status }) => status === 'rejected')
    expect(refused.length).toBeGreaterThan(150)
    for (const each of refused) expect(each).toMatchObject({ reason: { code: 111, temporary: true } })
    await received(quiet, 15)
    await received(flooded, outcomes.length - refused.length)
    expect(quiet.data()).toEqual(dense(15))
    expect(await metric('holdfast_limited_total{limit="channel_publications"}')).toBe(refused.length)
    for (const client of [flooder, listener, neighbour]) client.disconnect()
  })

  it('has our client wait and repeat what is above the rate: once in effect, in order, without a storm', async () => {
    const count = 14
    const refusedBefore = await metric('holdfast_limited_total{limit="channel_publications"}')
    const client = createClient(node.url, { getToken: () => token('writer'), onError: () => undefined })
    await client.connect()
    const channel = client.channel('slow:1')
    const appended = await Promise.all(Array.from({ length: count }, (_, i) => channel.append('Said', i + 1)))
    expect(appended.map(({ offset }) => offset)).toEqual(dense(count))
    const events: unknown[] = []
    for await (const event of channel.replay({ since: 0 })) events.push(event.data)
    expect(events).toEqual(dense(count))
    const refused = (await metric('holdfast_limited_total{limit="channel_publications"}')) - refusedBefore
    expect(refused).toBeGreaterThan(0)
    expect(refused).toBeLessThan(100)
    client.disconnect()
  }, 120_000)

  it('ends with 3013 a connection that goes on and on; the SDK comes back, and others do not notice', async () => {
    const flooder = await FrameClient.connected(node.url)
    const neighbour = await connect(node.url, 'neighbour')
    const listener = await subscribe(neighbour, 'room:beside')
    for (let from = 10; from < 8_010 && !flooder.hasEnded; from += 500) {
      const ids = Array.from({ length: 500 }, (_, i) => from + i)
      flooder.send(...ids.map(id => ({ id, rpc: { method: 'none' } })))
    }
    for (let i = 1; i <= 20; i++) await neighbour.publish('room:beside', i)
    expect(await flooder.ended()).toEqual({ code: 3013, reason: 'too many requests' })
    await received(listener, 20)
    expect(listener.data()).toEqual(dense(20))
    expect(await metric('holdfast_disconnects_total{code="3013"}')).toBe(1)
    expect(await metric('holdfast_limited_total{limit="connection_commands"}')).toBeGreaterThanOrEqual(3_000)
    const again = await connect(node.url, 'again')
    const codes: number[] = []
    again.on('connecting', ({ code }) => codes.push(code))
    const asked = Array.from({ length: 8_000 }, () => again.rpc('none', {}).catch(({ code }) => code))
    await until('it was ended', () => codes.includes(3013), patienceMs)
    await again.ready(patienceMs)
    expect(new Set(await Promise.all(asked))).toContain(111)
    expect(await again.rpc('none', {}).catch(({ code }) => code)).toBe(104)
    for (const client of [again, neighbour]) client.disconnect()
  }, 120_000)

  /** Of the node, without files that it maps; 0 where the system does not tell. */
  function ownMemory(): number {
    return existsSync('/proc/self/status') ? memoryOf(node.process.pid ?? 0) : 0
  }
})
