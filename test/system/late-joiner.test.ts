import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { connect, dense, received, subscribe } from '../support/sdk.ts'

/** What Redis remembers when the late joiner comes. */
const memories: Record<string, (redis: Redis, half: () => Promise<void>) => Promise<void>> = {
  'everything (hot)': async (_redis, half) => half(),
  'nothing, after FLUSHALL (cold)': async (redis, half) => {
    await half()
    await redis.flushall()
  },
  'only the second half (half hot)': async (redis, half) => {
    await redis.flushall()
    await half()
  },
  'the log, but no history of the channel': async (redis, half) => {
    await half()
    for (const key of await redis.keys('*:h:*')) await redis.del(key)
  },
  'the histories, but not the partition’s log': async (redis, half) => {
    await half()
    for (const key of await redis.keys('*:log')) await redis.del(key)
  },
}

describe('a late joiner from 0 gets everything and then goes on live, when Redis remembers', () => {
  let cluster: Cluster
  let redis: Redis
  beforeAll(async () => {
    cluster = await startCluster({ ownRedis: true })
    redis = new Redis(cluster.redisUrl)
  })
  afterAll(async () => {
    redis?.disconnect()
    await cluster?.close()
  })

  for (const [what, forget] of Object.entries(memories)) {
    it(what, async () => {
      const channel = `order:late-${Object.keys(memories).indexOf(what)}`
      const writer = await connect(cluster.nodes[0]?.url ?? '', 'writer')
      const write = async (from: number, to: number) => {
        await Promise.all(
          Array.from({ length: to - from + 1 }, (_, i) =>
            writer.rpc('holdfast.append', { channel, type: 'Numbered', data: { n: from + i } }),
          ),
        )
      }
      await write(1, 700)
      await forget(redis, () => write(701, 1_400))
      const reader = await connect(cluster.nodes[1]?.url ?? '', 'late')
      const writing = write(1_401, 1_500)
      const record = await subscribe(reader, channel, { since: { offset: 0, epoch: '' } })
      await writing
      await write(1_501, 1_600)
      await received(record, 1_600)
      expect(record.offsets()).toEqual(dense(1_600))
      expect(new Set(record.data().map(data => (data as { n: number }).n)).size).toBe(1_600)
      const middle = await subscribe(await connect(cluster.nodes[0]?.url ?? '', 'middle'), channel, {
        since: { offset: 650, epoch: '' },
      })
      await received(middle, 950)
      expect(middle.offsets()).toEqual(dense(1_600).slice(650))
      middle.subscription.unsubscribe()
      reader.disconnect()
      writer.disconnect()
    }, 60_000)
  }

  it('history pages over hot and cold by since, limit and reverse', async () => {
    const writer = await connect(cluster.nodes[0]?.url ?? '', 'pager')
    const channel = 'order:pages'
    for (let n = 1; n <= 20; n++)
      await writer.rpc('holdfast.append', { channel, type: 'Numbered', data: { n } })
    await subscribe(writer, channel)
    const pages = async (client: typeof writer) => {
      const all = await client.history(channel, { limit: 300 })
      const position = { offset: 12, epoch: all.epoch }
      const after = await client.history(channel, { limit: 5, since: position })
      const before = await client.history(channel, { limit: 5, since: position, reverse: true })
      const newest = await client.history(channel, { limit: 3, reverse: true })
      const head = await client.history(channel, { limit: 0 })
      expect([all, after, before, newest, head].map(page => page.offset)).toEqual([20, 20, 20, 20, 20])
      return [all, after, before, newest, head].map(page => page.publications.map(each => each.offset))
    }
    const expected = [dense(20), [13, 14, 15, 16, 17], [11, 10, 9, 8, 7], [20, 19, 18], []]
    expect(await pages(writer)).toEqual(expected)
    await redis.flushall()
    expect(await pages(writer)).toEqual(expected)
    // This node has read none of it before.
    const other = await connect(cluster.nodes[1]?.url ?? '', 'other')
    expect(await pages(other)).toEqual(expected)
    other.disconnect()
    await expect(
      writer.history(channel, { limit: 5, since: { offset: 3, epoch: 'another' } }),
    ).rejects.toMatchObject({ code: 112 })
    writer.disconnect()
  })
})
