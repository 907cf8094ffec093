import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Client, createClient } from '../../src/client/index.ts'
import { metrics, prometheusName } from '../../src/telemetry/index.ts'
import { type Cluster, everything, type Node, startCluster } from '../support/cluster.ts'
import { fillChannel } from '../support/long-channel.ts'
import { MemoryWatch, MiB } from '../support/memory-watch.ts'
import { openReplayReader } from '../support/replay-reader.ts'
import { Scrape } from '../support/scrape.ts'
import { until } from '../support/until.ts'

const million = 1_000_000
/** As much as brings a young process to its working size: compiled code, grown heap, open connections. */
const warmUp = 150_000
/** Of the events, for the client that pages: it asks for 300 at a time. */
const pagedPart = 0.2
const cap = 10_000
const allow = { subscribe: everything, append: everything, history: everything }

describe('a channel of a million events', () => {
  let cluster: Cluster
  let node: Node
  let client: Client

  beforeAll(async () => {
    cluster = await startCluster({
      nodes: 1,
      config: {
        auth: { allowAnonymous: true },
        namespaces: {
          long: { tier: 'durable', replay: { maxPushed: million }, allow },
          order: { tier: 'durable', allow },
        },
      },
    })
    node = cluster.nodes[0] as Node
    const { databaseUrl } = cluster
    await fillChannel(databaseUrl, 'long:1', { count: million })
    await fillChannel(databaseUrl, 'long:warm', { count: warmUp })
    await fillChannel(databaseUrl, 'order:capped', { count: cap + 2_500 })
    client = createClient(node.url, { onError: () => undefined })
    await client.connect()
  }, 240_000)
  afterAll(async () => {
    client?.disconnect()
    await cluster?.close()
  })

  /** By pages of our client. */
  async function replay(channel: string, since: number, head: number): Promise<void> {
    let at = since
    for await (const event of client.channel(channel).replay({ since })) {
      at++
      if (event.offset !== at) throw new Error(`${channel}: expected ${at}, got ${event.offset}`)
    }
    expect(at).toBe(head)
  }

  /** To a fast client, to one that is at half of its place until that has all, and the last part to one that pages. */
  async function threeAtOnce(channel: string, count: number) {
    const began = performance.now()
    const rates: string[] = []
    const told = (what: string, events: number) => () => {
      const seconds = (performance.now() - began) / 1_000
      rates.push(`${what} ${Math.round(events / seconds).toLocaleString('en')}/s`)
    }
    const range = { channel, since: 0, until: count }
    const fast = await openReplayReader(node.url, range)
    const slow = await openReplayReader(node.url, {
      ...range,
      rests: at => fast.at < count && at > fast.at / 2,
    })
    await Promise.all([
      fast.done.then(told('pushed, fast', count)),
      slow.done.then(told('pushed, slow', count)),
      replay(channel, count - pagedPart * count, count).then(told('paged', pagedPart * count)),
    ])
    for (const reader of [fast, slow]) {
      expect(reader.at).toBe(count)
      expect(reader.inReply).toBeGreaterThan(0)
      expect(reader.inReply + reader.pushed).toBe(count)
      reader.close()
    }
    return rates.join(', ')
  }

  /** Of the heap and of buffers beside it, whatever pages the process keeps for later. */
  async function inUse(): Promise<number> {
    const scrape = await Scrape.of(node.http)
    const name = prometheusName(metrics.processMemory)
    const [heap, external] = ['heap_used', 'external'].map(kind => scrape.value(name, { kind }))
    if (heap === undefined || external === undefined) throw new Error(`${node.http} does not tell ${name}`)
    return heap + external
  }

  it.skipIf(!existsSync('/proc/self/status'))(
    'reaches a fast client, a slow one and one that pages, at once, whole and in order, in 128 MiB',
    async () => {
      const young = new MemoryWatch(node.process.pid ?? 0)
      young.stop()
      await threeAtOnce('long:warm', warmUp)
      const usedBefore = await inUse()
      const watch = new MemoryWatch(node.process.pid ?? 0)
      const before = watch.highest
      const rates = await threeAtOnce('long:1', million).finally(() => watch.stop())
      const grown = (bytes: number) => `${Math.round((bytes - before) / MiB)} MiB`
      console.log(
        `a million events, cold, three clients at once: ${rates}; memory (RssAnon) ${Math.round(before / MiB)} MiB ` +
          `before (${Math.round(young.highest / MiB)} MiB when young), then at most ${grown(watch.highest)} more in ${watch.samples} looks, ${grown(watch.now)} in the end`,
      )
      expect(watch.highest - before).toBeLessThanOrEqual(128 * MiB)
      // What is left over is collected when something new is made, which a process that rests does not do.
      const isBack = async () => {
        await replay('long:warm', warmUp - 5_000, warmUp)
        return (await inUse()) - usedBefore <= 64 * MiB
      }
      await until('its memory is back', isBack, 60_000)
    },
    480_000,
  )

  it('is pushed up to the namespace’s cap, and beyond it paged by the client itself', async () => {
    const channel = 'order:capped'
    const head = cap + 2_500
    const within = await openReplayReader(node.url, { channel, since: head - cap, until: head })
    await within.done
    expect(within.inReply + within.pushed).toBe(cap)
    within.close()
    const beyond = await openReplayReader(node.url, { channel, since: head - cap - 1, until: head })
    await expect(beyond.done).rejects.toThrow('"subscribe"')
    expect(beyond.inReply + beyond.pushed).toBe(0)
    await replay(channel, 0, head)
    const seen: number[] = []
    const subscription = client.channel(channel).subscribe({
      since: 0,
      onEvent: event => seen.push(event.offset ?? 0),
    })
    await until('the subscription has paged through it', () => seen.length >= head)
    expect(seen.every((offset, i) => offset === i + 1)).toBe(true)
    subscription.unsubscribe()
  }, 60_000)

  it('is replayed hot by many as fast as one', async () => {
    const hot = 1_500
    const head = cap + 2_500
    const began = performance.now()
    const readers = await Promise.all(
      Array.from({ length: 20 }, () =>
        openReplayReader(node.url, { channel: 'order:capped', since: head - hot, until: head }),
      ),
    )
    await Promise.all(readers.map(({ done }) => done))
    for (const reader of readers) {
      expect(reader.inReply + reader.pushed).toBe(hot)
      reader.close()
    }
    const seconds = (performance.now() - began) / 1_000
    console.log(`20 sessions, the same ${hot} events, hot: ${Math.round((20 * hot) / seconds)} events/s`)
  }, 60_000)

  it('goes on live where the past ends', async () => {
    const seen: number[] = []
    const from = million - 700
    for await (const { offset = 0 } of client.channel('long:1').replay({ since: from, live: true })) {
      seen.push(offset)
      if (offset >= million && offset < million + 5)
        void client.channel('long:1').append('Numbered', { n: offset + 1 })
      if (offset === million + 5) break
    }
    expect(seen).toEqual(Array.from({ length: 705 }, (_, i) => from + 1 + i))
  }, 60_000)
})
