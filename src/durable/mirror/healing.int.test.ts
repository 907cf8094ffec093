import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import {
  append,
  type DurableNodes,
  dense,
  durableNodes,
  listen,
} from '../../../test/support/durable-nodes.ts'
import { tcpProxy } from '../../../test/support/tcp-proxy.ts'
import { until } from '../../../test/support/until.ts'
import type { OpenTier } from '../log-access.ts'

let nodes: DurableNodes

afterEach(() => nodes.close())

const channels = Array.from({ length: 64 }, (_, n) => `order:${n}`)
const data = JSON.stringify('x'.repeat(1_000))

/** What one such event takes in a mirror call. */
const entryBytes = 1_230

async function appendToAll(tiers: readonly OpenTier[], each: number): Promise<void> {
  await Promise.all(
    channels.map((channel, n) =>
      append(tiers[n % tiers.length] as OpenTier, channel, each, { atOnce: true, data }),
    ),
  )
}

const inputBytes = async () =>
  Number(/^total_net_input_bytes:(\d+)/m.exec(await nodes.redis.info('stats'))?.[1] ?? 0)

async function level(): Promise<void> {
  const partitions = [...new Set(channels.map(channel => nodes.bare.partitionOf(channel)))]
  await until('all mirrors are level', async () => {
    const heads = await nodes.bare.partitionHeads(partitions)
    const lasts = await Promise.all(
      partitions.map(each => nodes.redis.hget(`{${nodes.epoch}.${each}}:meta`, 'last')),
    )
    await delay(100)
    return partitions.every((each, i) => Number(lasts[i] ?? 0) === heads.get(each))
  })
}

describe('one Redis of four nodes', () => {
  it('is filled once in sum when it was wiped while all of them append', async () => {
    nodes = await durableNodes()
    const tiers = [nodes.a, nodes.b, await nodes.node(), await nodes.node()]
    await appendToAll(tiers, 50)
    await level()
    const once = channels.length * 50 * entryBytes
    const before = await inputBytes()
    await nodes.redis.flushall()
    // So that all nodes find it empty at once.
    await Promise.all(tiers.map(tier => Promise.all(channels.map(channel => append(tier, channel, 1)))))
    await level()
    const bytes = (await inputBytes()) - before
    console.info(`filling once takes about ${once} bytes, Redis has taken in ${bytes}`)
    expect(bytes).toBeGreaterThan(once * 0.8)
    expect(bytes).toBeLessThan(once * 1.4)
  }, 60_000)
})

describe('Redis', () => {
  it('back from an older snapshot, its groups, histories and places with it: nobody sees a duplicate or a hole', async () => {
    nodes = await durableNodes({ logSize: 100 })
    const few = channels.slice(0, 4)
    const readers = await Promise.all(
      few.flatMap(channel =>
        [nodes.a, nodes.b].map(async tier => ({ channel, reader: await listen(tier, channel, 0) })),
      ),
    )
    const everywhere = (count: number) =>
      until(`all have ${count}`, () => readers.every(({ reader }) => reader.offsets().length >= count))
    for (const channel of few) await append(nodes.a, channel, 30)
    await everywhere(30)
    await nodes.redis.save()
    for (const channel of few) await append(nodes.b, channel, 20)
    await everywhere(50)
    await nodes.killRedis()
    for (const channel of few) await append(nodes.a, channel, 10)
    await everywhere(60)
    await nodes.startRedis()
    const old = await Promise.all(
      few.map(each => nodes.redis.hget(`{${nodes.epoch}.${nodes.bare.partitionOf(each)}}:meta`, 'last')),
    )
    expect(old.filter(Boolean)).not.toEqual([])
    // While it is old still, and when it has been healed.
    const late = await Promise.all(few.map(channel => listen(nodes.b, channel, 25)))
    for (const channel of few) await append(nodes.b, channel, 10)
    await everywhere(70)
    await until('the mirror is level', () =>
      [nodes.a, nodes.b].every(each => each.status().mirror === 'ready'),
    )
    for (const channel of few) await append(nodes.a, channel, 5)
    await everywhere(75)
    for (const { reader } of readers) expect(reader.offsets()).toEqual(dense(1, 75))
    for (const reader of late) {
      await until('a late one has all', () => reader.offsets().length >= 50)
      expect([reader.recovered, reader.offsets()]).toEqual([true, dense(26, 75)])
    }
    for (const channel of few) {
      const hot = await nodes.a.history({ channel, limit: 100, reverse: false })
      expect(hot.publications).toHaveLength(75)
    }
  }, 60_000)

  it('out of memory: what is new comes from the ledger, what is hot is read, and it heals when there is room', async () => {
    nodes = await durableNodes()
    const channel = 'order:1'
    const reader = await listen(nodes.b, channel, 0)
    await append(nodes.a, channel, 20)
    await until('it is mirrored', () => reader.offsets().length === 20)
    await nodes.redis.config('SET', 'maxmemory', '1')
    await append(nodes.a, channel, 20)
    await until('the other node has them', () => reader.offsets().length === 40)
    const late = await listen(nodes.b, channel, 5)
    await until('a late one has them', () => late.offsets().length === 35)
    expect(late.offsets()).toEqual(dense(6, 40))
    const { publications } = await nodes.a.history({ channel, limit: 10, reverse: false })
    expect(publications).toHaveLength(10)
    await until('both nodes say so', () => [nodes.a, nodes.b].every(each => each.status().mirror !== 'ready'))
    await nodes.redis.config('SET', 'maxmemory', '0')
    await until('it is healed', () => [nodes.a, nodes.b].every(each => each.status().mirror === 'ready'))
    await append(nodes.a, channel, 5)
    await until('it goes on', () => reader.offsets().length === 45)
    expect(reader.offsets()).toEqual(dense(1, 45))
  }, 60_000)

  it('a replica that may not be written: the same', async () => {
    nodes = await durableNodes()
    const channel = 'order:1'
    const reader = await listen(nodes.b, channel, 0)
    await append(nodes.a, channel, 20)
    await until('it is mirrored', () => reader.offsets().length === 20)
    // Of nobody: as a master is that has been replaced, and has not found the new one yet.
    await nodes.redis.replicaof('127.0.0.1', 1)
    await append(nodes.a, channel, 20)
    await until('the other node has them', () => reader.offsets().length === 40)
    await nodes.redis.replicaof('NO', 'ONE')
    await until('it is healed', () => [nodes.a, nodes.b].every(each => each.status().mirror === 'ready'))
    await append(nodes.a, channel, 5)
    await until('it goes on', () => reader.offsets().length === 45)
    expect(reader.offsets()).toEqual(dense(1, 45))
  }, 60_000)

  it('that takes its time keeps no append waiting', async () => {
    nodes = await durableNodes()
    const proxy = await tcpProxy(nodes.redisUrl)
    const slow = await nodes.node({ redisUrl: proxy.through(nodes.redisUrl) })
    const reader = await listen(nodes.b, 'order:1', 0)
    const twenty = async () => {
      const began = performance.now()
      await append(slow, 'order:1', 20)
      return performance.now() - began
    }
    const prompt = await twenty()
    const delayMs = 300
    proxy.slow({ delayMs })
    expect(await twenty()).toBeLessThan(prompt + (20 * delayMs) / 2)
    await until('the other node has all', () => reader.offsets().length === 40)
    expect(reader.offsets()).toEqual(dense(1, 40))
    await proxy.close()
  }, 60_000)
})
