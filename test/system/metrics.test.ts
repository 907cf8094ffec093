import { randomUUID } from 'node:crypto'
import type { Centrifuge } from 'centrifuge'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { metrics, prometheusName } from '../../src/telemetry/index.ts'
import { type Cluster, type Node, startCluster } from '../support/cluster.ts'
import { type OwnServer, ownRedis } from '../support/own-servers.ts'
import { RoomReader } from '../support/room-reader.ts'
import { Scrape } from '../support/scrape.ts'
import { connect, type Recorded, received, subscribe } from '../support/sdk.ts'
import { until } from '../support/until.ts'

const allow = {
  subscribe: ['client', 'anonymous'],
  publish: ['client', 'anonymous'],
  append: ['client'],
  history: ['client'],
}
const padding = 'x'.repeat(8_192)
const patienceMs = 60_000

/** Of these there is something to read only where it is used, or Postgres has it. */
const notAlways: ReadonlySet<string> = new Set<string>(
  [
    ...[metrics.jwksAge, metrics.jwksFetches, metrics.certificateExpiry],
    ...[metrics.postgresStandbyLag, metrics.postgresStandbyLagSize, metrics.redisMemoryLimit],
    ...[metrics.deliveries, metrics.deliveriesAge, metrics.jobOverdue, metrics.jobAttempts],
    ...[metrics.projectionBuilds, metrics.projectionLag, metrics.projectionLagSeconds],
    ...[metrics.projectionProgress, metrics.projectionEvents],
    ...[metrics.groupLag, metrics.groupLagSeconds, metrics.groupAttempts, metrics.groupSuppressed],
    ...[metrics.groupDuration, metrics.redisOutputBufferKills, metrics.readOnlyNamespaces],
  ].map(({ name }) => name),
)

/** Nothing else publishes here than what the test does: no canary, no join. */
describe('the metrics of two nodes', () => {
  let redis: OwnServer
  let cluster: Cluster
  let a: Node
  let b: Node
  let writer: Centrifuge
  const clients: Centrifuge[] = []

  beforeAll(async () => {
    redis = await ownRedis()
    cluster = await startCluster({
      redisUrl: redis.url,
      config: {
        auth: { allowAnonymous: true },
        prober: { enabled: false },
        limits: { maxMailboxBytes: 64 * 1_024, pingIntervalMs: 600_000 },
        namespaces: {
          room: { allow },
          recent: { history: { size: 10, ttlSeconds: 60 }, forceRecovery: true, allow },
          order: { tier: 'durable', allow },
        },
      },
    })
    ;[a, b] = cluster.nodes as [Node, Node]
    writer = await client(a, 'writer')
  }, 120_000)
  afterAll(async () => {
    for (const each of clients) each.disconnect()
    await cluster?.close()
    await redis?.stop()
  })

  async function client(node: Node, user: string): Promise<Centrifuge> {
    const made = await connect(node.url, user, { timeout: 30_000 })
    clients.push(made)
    return made
  }
  /** How much each counter and histogram has grown on a node since `begin`. */
  async function growth(node: Node) {
    const before = await Scrape.of(node.http)
    return {
      async of(name: string, labels: Record<string, string> = {}): Promise<number> {
        const now = await Scrape.of(node.http)
        return (now.value(name, labels) ?? 0) - (before.value(name, labels) ?? 0)
      },
    }
  }
  type Growth = Awaited<ReturnType<typeof growth>>
  const settled = (what: string, look: () => Promise<unknown>, expected: unknown) =>
    until(
      what,
      async () => {
        const found = await look()
        return JSON.stringify(found) === JSON.stringify(expected) ? true : undefined
      },
      patienceMs,
    ).catch(async () => expect(await look()).toEqual(expected))
  async function deliveries(since: Growth, tier: string) {
    const live = { tier, path: 'live' }
    return {
      expected: await since.of('holdfast_delivery_expected_total', { tier }),
      written: await since.of('holdfast_delivery_written_total', live),
      dropped: await since.of('holdfast_delivery_dropped_total', live),
    }
  }
  const append = (channel: string, data: unknown, id: string = randomUUID(), more = {}) =>
    writer.rpc('holdfast.append', { channel, type: 'Said', data, id, ...more })

  it('say what was sent, and count nothing twice', async () => {
    const here = await Promise.all(['h1', 'h2', 'h3'].map(user => client(a, user)))
    const there = await Promise.all(['t1', 't2'].map(user => client(b, user)))
    const inRoom = (members: readonly Centrifuge[]): Promise<Recorded[]> =>
      Promise.all(members.map(member => subscribe(member, 'room:1')))
    const rooms = [...(await inRoom(here)), ...(await inRoom(there))]
    const orders = await Promise.all(
      [here[0], here[1], there[0]].map(member => subscribe(member as Centrifuge, 'order:1')),
    )
    const [onA, onB] = [await growth(a), await growth(b)]

    for (let n = 0; n < 20; n++) await writer.publish('room:1', n)
    for (let n = 0; n < 10; n++) await there[0]?.publish('room:1', n)
    const t2 = there[1] as Centrifuge
    await writer.rpc('holdfast.signal', { channel: 'room:1', data: 'you', to: { user: 't2' } })
    const known = randomUUID()
    for (let n = 0; n < 15; n++) await append('order:1', n, n === 0 ? known : undefined)
    await append('order:1', 0, known)
    await expect(append('order:1', 'late', undefined, { expectedOffset: 3 })).rejects.toMatchObject({
      code: 409,
    })
    await Promise.all(rooms.map(each => received(each, 30, patienceMs)))
    await Promise.all(orders.map(each => received(each, 15, patienceMs)))
    await until('the signal has come', () => rooms[4]?.publications.length === 31, patienceMs)
    expect(t2.state).toBe('connected')

    const published = (since: Growth, tier: string) =>
      Promise.all(
        ['accepted', 'duplicate', 'refused', 'read_only', 'unavailable'].map(outcome =>
          since.of('holdfast_publications_total', { tier, outcome }),
        ),
      )
    expect(await published(onA, 'realtime')).toEqual([21, 0, 0, 0, 0])
    expect(await published(onB, 'realtime')).toEqual([10, 0, 0, 0, 0])
    expect(await published(onA, 'durable')).toEqual([15, 1, 1, 0, 0])
    expect(await published(onB, 'durable')).toEqual([0, 0, 0, 0, 0])
    expect(await deliveries(onA, 'realtime')).toEqual({ expected: 90, written: 90, dropped: 0 })
    expect(await deliveries(onB, 'realtime')).toEqual({ expected: 61, written: 61, dropped: 0 })
    expect(await deliveries(onA, 'durable')).toEqual({ expected: 30, written: 30, dropped: 0 })
    expect(await deliveries(onB, 'durable')).toEqual({ expected: 15, written: 15, dropped: 0 })
    expect(await onA.of('holdfast_errors_total', { code: '409' })).toBe(1)

    const timed = (since: Growth, name: string, labels: Record<string, string>) =>
      since.of(`holdfast_${name}_count`, labels)
    expect(await timed(onA, 'publish_duration', { tier: 'durable' })).toBe(16)
    // A duplicate and a conflict are answers of the ledger too.
    expect(await timed(onA, 'delivery_latency', { tier: 'durable', stage: 'commit' })).toBe(17)
    expect(await onA.of('holdfast_append_batch_size_sum')).toBe(17)
    const ofLatency = async (since: Growth, tier: string, stage: string) => {
      const labels = { tier, stage }
      const count = await timed(since, 'delivery_latency', labels)
      const seconds = await since.of('holdfast_delivery_latency_sum', labels)
      return { count, mean: seconds / count }
    }
    for (const [since, tier, stage] of [
      [onA, 'durable', 'mirror'],
      [onB, 'durable', 'end_to_end'],
      [onB, 'durable', 'fan_out'],
      [onB, 'realtime', 'bus'],
      [onB, 'realtime', 'end_to_end'],
    ] as const) {
      const { count, mean } = await ofLatency(since, tier, stage)
      expect(count, `${tier} ${stage}`).toBeGreaterThan(0)
      expect(mean, `${tier} ${stage}`).toBeGreaterThanOrEqual(0)
      expect(mean, `${tier} ${stage}`).toBeLessThan(30)
    }
  }, 120_000)

  it('say of those who come back whether they have everything, and what cursors have passed', async () => {
    const reader = await client(a, 'reader')
    const orders = await subscribe(reader, 'order:2')
    await append('order:2', 1)
    await received(orders, 1, patienceMs)
    const since = await growth(a)
    await reader.rpc('holdfast.ack', { channel: 'order:2', cursor: 'read', offset: 1 })
    reader.disconnect()
    for (let n = 2; n <= 6; n++) await append('order:2', n)
    reader.connect()
    await received(orders, 6, patienceMs)
    await reader.rpc('holdfast.ack', { channel: 'order:2', cursor: 'read', offset: 4 })
    // A cursor never goes back, and passes nothing where it stands already.
    await reader.rpc('holdfast.ack', { channel: 'order:2', cursor: 'read', offset: 3 })

    const stranger = await client(a, 'stranger')
    const lost = stranger.newSubscription('order:2', { since: { offset: 1, epoch: 'another' } })
    lost.subscribe()
    await lost.ready(patienceMs)
    const recoveries = (labels: Record<string, string>) =>
      since.of('holdfast_recoveries_total', { tier: 'durable', ...labels })
    expect(await recoveries({ outcome: 'recovered', reason: 'none' })).toBe(1)
    expect(await recoveries({ outcome: 'told', reason: 'epoch' })).toBe(1)
    expect(await recoveries({})).toBe(2)
    const inReply = await since.of('holdfast_recovered_total', { tier: 'durable' })
    const pushed = await since.of('holdfast_delivery_written_total', { tier: 'durable', path: 'replay' })
    const live = await since.of('holdfast_delivery_written_total', { tier: 'durable', path: 'live' })
    expect(inReply + pushed + live).toBe(5)
    expect(await since.of('holdfast_acknowledged_total')).toBe(4)
  }, 120_000)

  it('say what was lost of a reader that is cut, and of nobody else', async () => {
    const readers = await Promise.all([1, 2, 3].map(() => RoomReader.open(b.url, 'room:slow')))
    const [slow, ...others] = readers as [RoomReader, ...RoomReader[]]
    const since = await growth(b)
    slow.stopReading()
    let sent = 0
    while ((await since.of('holdfast_slow_consumers_total')) === 0) {
      if (sent > 20_000) throw new Error('the slow one is not cut')
      const batch = Array.from({ length: 50 }, () =>
        b.api('publish', { channel: 'room:slow', data: `${++sent}:${padding}` }),
      )
      await Promise.all(batch)
      await until(
        'the others have them',
        () => others.every(({ numbers }) => numbers.length === sent),
        patienceMs,
      )
    }
    // What the kernel had taken it still reads; what lay before that is lost, or taken now.
    slow.readAgain()
    await until('it is told', () => slow.code !== undefined, patienceMs)
    expect(slow.code).toBe(3008)
    await settled(
      'every message is written or dropped',
      async () => {
        const { expected, written, dropped } = await deliveries(since, 'realtime')
        return expected - written - dropped
      },
      0,
    )
    const { written, dropped } = await deliveries(since, 'realtime')
    expect(dropped).toBeGreaterThan(0)
    expect(written).toBe(2 * sent + slow.numbers.length)
    expect(await since.of('holdfast_delivery_dropped_total', { reason: 'slow' })).toBe(dropped)
    expect(await since.of('holdfast_disconnects_total', { code: '3008' })).toBe(1)
    for (const reader of readers) reader.close()
  }, 120_000)

  it('have no other names, types and labels than are documented, and all that are', async () => {
    const recent = await subscribe(await client(a, 'r'), 'recent:1')
    await writer.publish('recent:1', 1)
    await received(recent, 1, patienceMs)
    const byName = new Map(Object.values(metrics).map(metric => [prometheusName(metric), metric]))
    const own = Object.values(metrics).filter(({ name }) => !/^holdfast\.(probe|audit)\./.test(name))
    await until(
      'all of them are there',
      async () => {
        const { types } = await Scrape.of(a.http)
        return own.every(metric => notAlways.has(metric.name) || types.has(prometheusName(metric)))
      },
      patienceMs,
    ).catch(async () => {
      const { types } = await Scrape.of(a.http)
      const missing = own.filter(metric => !notAlways.has(metric.name) && !types.has(prometheusName(metric)))
      expect(missing.map(({ name }) => name)).toEqual([])
    })
    const { samples, types } = await Scrape.of(a.http)
    for (const [name, type] of types) {
      if (name === 'target_info') continue
      expect(byName.get(name)?.type, name).toBe(type)
    }
    for (const { name, labels } of samples) {
      if (name === 'target_info') continue
      const metric = byName.get(name) ?? byName.get(name.replace(/_(bucket|sum|count)$/, ''))
      const foreign = Object.keys(labels).filter(
        label => label !== 'le' && !(metric?.labels as readonly string[] | undefined)?.includes(label),
      )
      expect(foreign, `${name} ${JSON.stringify(labels)}`).toEqual([])
    }
    expect(types.get('holdfast_info')).toBe('gauge')
  }, 120_000)

  it('count what other nodes do not get while Redis is away, and are there all the same', async () => {
    const channel = `room:${randomUUID()}`
    const [here, there] = await Promise.all([client(a, 'here'), client(b, 'there')])
    const [near, far] = [await subscribe(here, channel), await subscribe(there, channel)]
    const [onA, onB] = [await growth(a), await growth(b)]
    expect((await Scrape.of(a.http)).value('holdfast_redis_memory_used', { role: 'bus' })).toBeGreaterThan(0)
    await redis.kill()
    await until(
      'the node knows it',
      async () => (await Scrape.of(a.http)).value('holdfast_bus_connected') === 0,
      patienceMs,
    )
    for (let n = 0; n < 5; n++) await writer.publish(channel, n)
    await received(near, 5, patienceMs)
    expect(await onA.of('holdfast_bus_dropped_total')).toBe(5)
    expect(await deliveries(onA, 'realtime')).toEqual({ expected: 5, written: 5, dropped: 0 })
    expect(await deliveries(onB, 'realtime')).toEqual({ expected: 0, written: 0, dropped: 0 })
    expect(far.publications).toEqual([])
    await until(
      'nobody says how the Redis is that is away',
      async () => (await Scrape.of(a.http)).value('holdfast_redis_memory_used') === undefined,
      patienceMs,
    )
    await redis.startAgain()
    await until(
      'both are back',
      async () => {
        const now = await Promise.all([a, b].map(node => Scrape.of(node.http)))
        return now.every(
          each =>
            each.value('holdfast_bus_connected') === 1 && each.value('holdfast_redis_rtt') !== undefined,
        )
      },
      patienceMs,
    )
    await writer.publish(channel, 5)
    await Promise.all([received(near, 6, patienceMs), received(far, 1, patienceMs)])
    expect(await deliveries(onB, 'realtime')).toEqual({ expected: 1, written: 1, dropped: 0 })
  }, 120_000)
})
