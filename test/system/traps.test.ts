import { Redis } from 'ioredis'
import postgres from 'postgres'
import { afterEach, describe, expect, it } from 'vitest'
import { findRedisServer, startLocalRedis } from '../../src/cli/services/local-redis.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { connect, dense, received, subscribe } from '../support/sdk.ts'
import { until } from '../support/until.ts'

type Client = Awaited<ReturnType<typeof connect>>

async function append(client: Client, channel: string, count: number): Promise<number> {
  const done = await Promise.all(
    Array.from({ length: count }, (_, n) =>
      client
        .rpc('holdfast.append', { channel, type: 'Numbered', data: { n } })
        .then(({ data }) => data.offset as number),
    ),
  )
  return Math.max(...done)
}

describe('a trap that loses events elsewhere', () => {
  let cluster: Cluster
  const clients: Client[] = []
  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect()
    await cluster?.close()
  })
  const client = async (node: number, user: string) => {
    const made = await connect(cluster.nodes[node]?.url ?? '', user)
    clients.push(made)
    return made
  }

  it('a fresh database on a used Redis: numbering starts anew and nothing old is replayed', async () => {
    const redis = await startLocalRedis({ server: findRedisServer() ?? '' })
    cluster = await startCluster({ redisUrl: redis.url, nodes: 1 })
    await append(await client(0, 'before'), 'order:reused', 50)
    await cluster.close()
    cluster = await startCluster({ redisUrl: redis.url, nodes: 2 })
    const writer = await client(0, 'after')
    expect(await append(writer, 'order:reused', 3)).toBe(3)
    const record = await subscribe(await client(1, 'reader'), 'order:reused', {
      since: { offset: 0, epoch: '' },
    })
    await received(record, 3)
    await append(writer, 'order:reused', 2)
    await received(record, 5)
    expect(record.offsets()).toEqual(dense(5))
    await redis.stop()
  }, 60_000)

  it('a partition’s stream deleted and one history deleted under live subscribers', async () => {
    cluster = await startCluster({ ownRedis: true })
    const redis = new Redis(cluster.redisUrl)
    const writer = await client(0, 'writer')
    const record = await subscribe(await client(1, 'reader'), 'order:deleted')
    await append(writer, 'order:deleted', 20)
    await received(record, 20)
    for (const pattern of ['*:log', '*:h:*', '*:meta']) {
      for (const key of await redis.keys(pattern)) await redis.del(key)
      const head = await append(writer, 'order:deleted', 20)
      await received(record, head)
      const late = await subscribe(await client(1, `late-${pattern}`), 'order:deleted', {
        since: { offset: 0, epoch: '' },
      })
      await received(late, head)
      expect(late.offsets()).toEqual(dense(head))
    }
    expect(record.offsets()).toEqual(dense(80))
    redis.disconnect()
  }, 60_000)

  it('a stale replica promoted with clients ahead of it: they keep their place and see no hole', async () => {
    cluster = await startCluster({ ownRedis: true })
    const redis = new Redis(cluster.redisUrl)
    const server = findRedisServer() ?? ''
    const writer = await client(0, 'writer')
    await append(writer, 'order:stale', 10)
    // The replica copies what there is, is cut off, and knows nothing of what follows.
    const replica = await startLocalRedis({ server })
    const replicaClient = new Redis(replica.url)
    await replicaClient.replicaof('127.0.0.1', Number(new URL(cluster.redisUrl).port))
    await until('the replica has copied', async () =>
      (await replicaClient.info('replication')).includes('link_status:up'),
    )
    await replicaClient.replicaof('NO', 'ONE')
    const record = await subscribe(await client(1, 'reader'), 'order:stale')
    await append(writer, 'order:stale', 10)
    await received(record, 10)
    // The master dies; the replica takes over its address.
    const port = Number(new URL(cluster.redisUrl).port)
    redis.disconnect()
    cluster.redis?.process.kill('SIGKILL')
    const dump = await replicaClient.keys('*')
    expect(dump.length).toBeGreaterThan(0)
    const promoted = await startLocalRedis({ server, port })
    const promotedClient = new Redis(promoted.url)
    await promotedClient.replicaof('127.0.0.1', Number(new URL(replica.url).port))
    await until('the promoted one has the old state', async () =>
      (await promotedClient.info('replication')).includes('link_status:up'),
    )
    await promotedClient.replicaof('NO', 'ONE')
    const resumed = await subscribe(await client(1, 'resumed'), 'order:stale', {
      since: { offset: 20, epoch: '' },
    })
    expect(resumed.subscription.state).toBe('subscribed')
    const head = await append(writer, 'order:stale', 10)
    expect(head).toBe(30)
    await received(record, 20)
    await received(resumed, 10)
    expect(record.offsets()).toEqual(dense(30).slice(10))
    expect(resumed.offsets()).toEqual(dense(30).slice(20))
    replicaClient.disconnect()
    promotedClient.disconnect()
    await replica.stop()
    await promoted.stop()
  }, 90_000)

  it('a wipe after retention: what is gone is told, what is there is replayed, numbering goes on', async () => {
    cluster = await startCluster({
      ownRedis: true,
      config: {
        namespaces: {
          kept: {
            tier: 'durable',
            retention: { maxEvents: 5 },
            allow: { subscribe: ['client'], append: ['client'], history: ['client'] },
          },
        },
        postgres: { retentionIntervalMs: 200 },
      },
    })
    const sql = postgres(cluster.databaseUrl, { max: 1 })
    const writer = await client(0, 'writer')
    await append(writer, 'kept:few', 30)
    await until('retention has left five', async () => {
      const [row] = await sql`select count(*)::int as n from holdfast.events where channel = 'kept:few'`
      return row?.['n'] === 5
    })
    const redis = new Redis(cluster.redisUrl)
    await redis.flushall()
    expect(await append(writer, 'kept:few', 1)).toBe(31)
    const told: { recovered: boolean; offset: number }[] = []
    // Retention may take the 26th meanwhile, and no other.
    for (const since of [0, 26]) {
      const reader = await client(1, `reader-${since}`)
      const subscription = reader.newSubscription('kept:few', { since: { offset: since, epoch: '' } })
      subscription.on('subscribed', context => {
        told.push({ recovered: context.recovered, offset: context.streamPosition?.offset ?? -1 })
      })
      const offsets: number[] = []
      subscription.on('publication', ({ offset }) => offsets.push(offset ?? 0))
      subscription.subscribe()
      await subscription.ready(10_000)
      if (since === 26) await until('the tail has come', () => offsets.length >= 5)
      if (since === 26) expect(offsets).toEqual([27, 28, 29, 30, 31])
    }
    expect(told.map(each => each.recovered)).toEqual([false, true])
    redis.disconnect()
    await sql.end()
  }, 60_000)

  it('since above the hot top while the mirror heals: recovered, never told to start anew', async () => {
    cluster = await startCluster({ ownRedis: true })
    const redis = new Redis(cluster.redisUrl)
    const writer = await client(0, 'writer')
    const told: boolean[] = []
    for (let round = 0; round < 20; round++) {
      const head = await append(writer, 'order:healing', 10)
      await redis.flushall()
      const reader = await client(1, `reader-${round}`)
      const subscription = reader.newSubscription('order:healing', { since: { offset: head, epoch: '' } })
      subscription.on('subscribed', context => told.push(context.recovered))
      subscription.subscribe()
      await subscription.ready(10_000)
      reader.disconnect()
    }
    expect(told).toEqual(Array(20).fill(true))
    redis.disconnect()
  }, 60_000)

  it('a node frozen while it appends does not stop the others', async () => {
    cluster = await startCluster()
    const frozen = await client(0, 'frozen')
    const living = await client(1, 'living')
    for (let round = 0; round < 10; round++) {
      const pending = Promise.allSettled(
        Array.from({ length: 200 }, () =>
          frozen.rpc('holdfast.append', { channel: 'order:frozen', type: 'Numbered', data: {} }),
        ),
      )
      await new Promise(resolve => setTimeout(resolve, round * 3))
      cluster.nodes[0]?.process.kill('SIGSTOP')
      await Promise.race([
        append(living, 'order:frozen', 20),
        new Promise((_, reject) =>
          setTimeout(() => reject(new Error('the living node waits for the frozen one')), 10_000),
        ),
      ])
      cluster.nodes[0]?.process.kill('SIGCONT')
      await pending
    }
    const reader = await subscribe(await client(1, 'reader'), 'order:frozen', {
      since: { offset: 0, epoch: '' },
    })
    const { offset } = await living.history('order:frozen', { limit: 0 })
    await received(reader, offset)
    expect(reader.offsets()).toEqual(dense(offset))
  }, 120_000)
})
