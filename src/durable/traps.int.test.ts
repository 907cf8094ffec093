import { afterEach, describe, expect, it } from 'vitest'
import { append, type DurableNodes, dense, durableNodes, listen } from '../../test/support/durable-nodes.ts'
import { tcpProxy } from '../../test/support/tcp-proxy.ts'
import { until } from '../../test/support/until.ts'
import { newEventId } from '../domain/index.ts'
import { createLogger } from '../platform/index.ts'
import { createDurableTier } from './durable-tier.ts'

let nodes: DurableNodes

afterEach(() => nodes.close())

const channel = 'order:1'
const wait = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

/** As a node that dies between its commit and its mirror call. */
async function commitAndDie(name: string, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    await nodes.bare.append({ channel: name, type: 'Orphan', data: '{}', id: newEventId() })
  }
}

async function mirrored(name = channel): Promise<void> {
  const partition = nodes.bare.partitionOf(name)
  await until('the mirror is level', async () => {
    const last = Number((await nodes.redis.hget(`{${nodes.bare.epoch}.${partition}}:meta`, 'last')) ?? 0)
    return last === (await nodes.bare.partitionHeads([partition])).get(partition)
  })
}

describe('a late joiner', () => {
  it.each([
    ['hot', async () => undefined],
    ['after FLUSHALL', () => nodes.redis.flushall()],
    [
      'half hot',
      async () => {
        for (const key of await nodes.redis.keys('*:h:*')) await nodes.redis.xtrim(key, 'MAXLEN', 100)
      },
    ],
    [
      'with a history that ends too early',
      async () => {
        for (const key of await nodes.redis.keys('*:h:*')) {
          const tail = await nodes.redis.xrevrange(key, '+', '-', 'COUNT', 50)
          await nodes.redis.xdel(key, ...tail.map(([id]) => id))
        }
      },
    ],
  ])('gets everything and goes on live: %s', async (_, damage) => {
    nodes = await durableNodes()
    await append(nodes.a, channel, 700, { atOnce: true })
    await mirrored()
    await damage()
    const readers = await Promise.all(
      [0, 1, 350, 650, 699, 700].map(async since => ({
        since,
        reader: await listen(nodes.b, channel, since),
      })),
    )
    await append(nodes.a, channel, 20)
    for (const { since, reader } of readers) {
      await until(`the one from ${since} has all`, () => reader.offsets().length >= 720 - since)
      expect([reader.recovered, reader.offsets()]).toEqual([true, dense(since + 1, 720)])
    }
  })

  it('gets everything while events go on and Redis is wiped again and again', async () => {
    nodes = await durableNodes({ logSize: 200, historySize: 300 })
    await append(nodes.a, channel, 500, { atOnce: true })
    let running = true
    let written = 0
    const writing = [nodes.a, nodes.b].map(async node => {
      for (; running; written++) await append(node, channel, 1)
    })
    const wiping = (async () => {
      for (let n = 0; n < 12 || written <= 100; n++) {
        await nodes.redis.flushall()
        await wait(60)
      }
    })()
    const readers: { since: number; reader: Awaited<ReturnType<typeof listen>> }[] = []
    for (let n = 0; n < 24; n++) {
      const since = (n * 37) % 500
      readers.push({ since, reader: await listen(n % 2 === 0 ? nodes.a : nodes.b, channel, since) })
      await wait(25)
    }
    await wiping
    running = false
    await Promise.all(writing)
    const { head = 0 } = (await nodes.bare.channelHeads([channel])).get(channel) ?? {}
    expect(head).toBeGreaterThan(600)
    for (const { since, reader } of readers) {
      await until(`the one from ${since} has all`, () => reader.offsets().length >= head - since)
      expect(reader.offsets()).toEqual(dense(since + 1, head))
      expect(reader.outlet.ended).toEqual([])
    }
  })
})

describe('damage under live subscribers', () => {
  it('a partition’s stream, one history and meta deleted: nobody sees it', async () => {
    nodes = await durableNodes()
    const live = await listen(nodes.b, channel)
    await append(nodes.a, channel, 20)
    let head = 20
    for (const pattern of ['*:log', '*:h:*', '*:meta', '*']) {
      for (const key of await nodes.redis.keys(pattern)) await nodes.redis.del(key)
      await append(nodes.a, channel, 20)
      head += 20
      await until('the live one has all', () => live.offsets().length >= head)
      const late = await listen(nodes.b, channel, 0)
      await until('the late one has all', () => late.offsets().length >= head)
      expect(late.offsets()).toEqual(dense(1, head))
    }
    expect(live.offsets()).toEqual(dense(1, head))
  })

  it('a stale mirror with clients ahead of it: they keep their place, and see neither hole nor duplicate', async () => {
    nodes = await durableNodes()
    const live = await listen(nodes.b, channel)
    await append(nodes.a, channel, 30)
    await mirrored()
    await until('live', () => live.offsets().length === 30)
    // What an older replica knows of all this.
    const [meta = ''] = await nodes.redis.keys('*:meta')
    const [history = ''] = await nodes.redis.keys('*:h:*')
    const [log = ''] = await nodes.redis.keys('*:log')
    await nodes.redis.hset(meta, 'last', 10, 'top', 10)
    for (const key of [history, log]) {
      const old = await nodes.redis.xrange(key, '-', '+', 'COUNT', 10)
      await nodes.redis.del(key)
      for (const [id, fields] of old) await nodes.redis.xadd(key, id, ...fields)
    }
    const resumed = await listen(nodes.b, channel, 30)
    const fresh = await nodes.node()
    const elsewhere = await listen(fresh, channel, 30)
    const late = await listen(fresh, channel, 5)
    expect([resumed, elsewhere, late].map(each => each.recovered)).toEqual([true, true, true])
    await append(nodes.a, channel, 10)
    for (const [reader, since] of [
      [live, 0],
      [resumed, 30],
      [elsewhere, 30],
      [late, 5],
    ] as const) {
      await until('it has all', () => reader.offsets().length >= 40 - since)
      expect(reader.offsets()).toEqual(dense(since + 1, 40))
    }
  })

  it('a wipe after retention: what is gone is told, what is there is replayed, and numbering goes on', async () => {
    nodes = await durableNodes()
    await append(nodes.a, channel, 30)
    const { bare, database } = nodes
    await database.sql`select holdfast.remove_events(${bare.epoch}, ${bare.partitionOf(channel)}, ${channel}, 25, 100)`
    await nodes.redis.flushall()
    await append(nodes.a, channel, 1)
    await mirrored()
    const lost = await listen(nodes.b, channel, 24)
    const kept = await listen(nodes.b, channel, 25)
    expect([lost.recovered, lost.position.offset, kept.recovered]).toEqual([false, 31, true])
    await append(nodes.b, channel, 1)
    await until('both are live', () => lost.offsets().length === 1 && kept.offsets().length === 7)
    expect(kept.offsets()).toEqual(dense(26, 32))
  })

  it('since above the hot top while the mirror heals is never told to start anew', async () => {
    nodes = await durableNodes()
    for (let round = 0; round < 30; round++) {
      await append(nodes.a, channel, 5)
      const head = (round + 1) * 5
      await nodes.redis.flushall()
      const reader = await listen(nodes.b, channel, head)
      expect([reader.recovered, reader.position.offset]).toEqual([true, head])
      nodes.b.unsubscribe(channel, reader.outlet.client)
    }
    // The same where this node has heard of none of it.
    await append(nodes.a, channel, 1)
    await commitAndDie(channel, 4)
    const reader = await listen(nodes.b, channel, 155)
    expect([reader.recovered, reader.position.offset]).toEqual([true, 155])
    await append(nodes.a, channel, 1)
    await until('it goes on', () => reader.offsets().length === 1)
    expect(reader.offsets()).toEqual([156])
  })

  it('a fresh database on a used Redis: nothing of the old one is seen', async () => {
    nodes = await durableNodes()
    await append(nodes.a, channel, 50, { atOnce: true })
    await mirrored()
    const used = nodes
    const other = await durableNodes()
    const node = await other.node({ redisUrl: `redis://127.0.0.1:${used.redis.options.port}` })
    const reader = await listen(node, channel, 0)
    expect([reader.recovered, reader.offsets(), reader.position.epoch]).toEqual([true, [], other.epoch])
    const foreign = await listen(node, channel, { offset: 50, epoch: used.epoch })
    expect([foreign.recovered, foreign.position.offset]).toEqual([false, 0])
    await append(node, channel, 3)
    await until('it has the new ones', () => reader.offsets().length === 3)
    expect(reader.offsets()).toEqual([1, 2, 3])
    expect((await node.history({ channel, limit: 9, reverse: false })).offset).toBe(3)
    await other.close()
  })
})

describe('a node that dies between commit and mirror', () => {
  it('has its events brought to all nodes by the sweeper, into partitions new and old', async () => {
    nodes = await durableNodes()
    await append(nodes.a, channel, 3)
    const names = [channel, 'order:untouched']
    const readers = await Promise.all(
      names.flatMap(name => [nodes.a, nodes.b].map(node => listen(node, name, 0))),
    )
    for (let round = 1; round <= 3; round++) {
      for (const name of names) await commitAndDie(name, 2)
      await until(`round ${round} has come`, () =>
        readers.every((reader, i) => reader.offsets().length === round * 2 + (i < 2 ? 3 : 0)),
      )
    }
    for (const [i, reader] of readers.entries()) expect(reader.offsets()).toEqual(dense(1, i < 2 ? 9 : 6))
    for (const name of names) await mirrored(name)
  })

  it('leaves a difference that is filled in one go, with a notice instead of thousands of announcements', async () => {
    nodes = await durableNodes({ logSize: 1_500 })
    const reader = await listen(nodes.b, channel, 0)
    await Promise.all(Array.from({ length: 5_000 }, () => commitAndDie(channel, 1)))
    await until('it has all', () => reader.offsets().length >= 5_000, 30_000)
    expect(reader.offsets()).toEqual(dense(1, 5_000))
    await mirrored()
    const [log = ''] = await nodes.redis.keys('*:log')
    expect(await nodes.redis.xlen(log)).toBe(1_500)
    const ids = await nodes.redis.xrange(log, '-', '+')
    expect(ids.map(([id]) => id)).toEqual(dense(3_501, 5_000).map(position => `${position}-0`))
    expect(await nodes.redis.hget(log.replace(':log', ':meta'), 'floor')).toBe('3501')
  })
})

describe('Redis goes', () => {
  it('killed and back empty while appends go on: no duplicate, no hole', async () => {
    nodes = await durableNodes()
    const readers = [await listen(nodes.a, channel, 0), await listen(nodes.b, channel, 0)]
    let running = true
    const writing = [nodes.a, nodes.b].map(async node => {
      while (running) {
        await append(node, channel, 1)
        await wait(2)
      }
    })
    for (let round = 0; round < 3; round++) {
      await wait(200)
      await nodes.killRedis()
      const before = (await nodes.bare.channelHeads([channel])).get(channel)?.head ?? 0
      await until('events reach the other node without Redis', () =>
        readers.every(reader => reader.offsets().length > before + 20),
      )
      await nodes.startRedis()
      await until(
        'the mirror is ready',
        () => nodes.a.status().mirror === 'ready' && nodes.b.status().mirror === 'ready',
      )
      const late = await listen(nodes.b, channel, 0)
      await until('a late one has begun', () => late.offsets().length > before)
      readers.push(late)
    }
    running = false
    await Promise.all(writing)
    const head = (await nodes.bare.channelHeads([channel])).get(channel)?.head ?? 0
    for (const reader of readers) {
      await until('it has all', () => reader.offsets().length >= head)
      expect(reader.offsets()).toEqual(dense(1, head))
      expect(reader.outlet.ended).toEqual([])
    }
    await mirrored()
  })

  it('hung: appends are answered, the other node gets them, and the mirror heals afterwards', async () => {
    nodes = await durableNodes()
    await append(nodes.a, channel, 5)
    const reader = await listen(nodes.b, channel, 0)
    nodes.redisProcess().kill('SIGSTOP')
    await append(nodes.a, channel, 50)
    await until('the other node has them', () => reader.offsets().length === 55)
    const late = await listen(nodes.a, 'order:2', 0)
    await append(nodes.b, 'order:2', 5)
    await until('a channel opened meanwhile has them', () => late.offsets().length === 5)
    expect(nodes.a.status().mirror).toBe('unreachable')
    nodes.redisProcess().kill('SIGCONT')
    await mirrored()
    await append(nodes.a, channel, 5)
    await until('it goes on', () => reader.offsets().length === 60)
    expect(reader.offsets()).toEqual(dense(1, 60))
    await until('all is well', () => nodes.a.status().mirror === 'ready')
  })

  it('was never there: nodes deliver by tailing the ledger', async () => {
    nodes = await durableNodes()
    const [c, d] = [await nodes.node({ redisUrl: undefined }), await nodes.node({ redisUrl: undefined })]
    await append(c, channel, 10)
    const readers = [
      await listen(c, channel, 4),
      await listen(d, channel, 4),
      await listen(nodes.a, channel, 4),
    ]
    await Promise.all([append(c, channel, 20), append(d, channel, 20)])
    for (const reader of readers) {
      await until('it has all', () => reader.offsets().length >= 46)
      expect(reader.offsets()).toEqual(dense(5, 50))
    }
    expect(c.status().mirror).toBe('unreachable')
  })

  it('is full of histories: only the log is written, and replay is cold', async () => {
    nodes = await durableNodes({ historyBytes: 1 })
    const reader = await listen(nodes.b, channel, 0)
    await until('the budget has been looked at', async () => {
      await append(nodes.a, `filler:${Math.random()}`, 1)
      for (const key of await nodes.redis.keys('*:h:*')) await nodes.redis.del(key)
      await append(nodes.a, channel, 1)
      return (await nodes.redis.keys('*:h:*')).length === 0
    })
    const late = await listen(nodes.b, channel, 0)
    const head = (await nodes.bare.channelHeads([channel])).get(channel)?.head ?? 0
    await until('both have all', () => [reader, late].every(each => each.offsets().length === head))
    expect(late.offsets()).toEqual(dense(1, head))
    await mirrored()
  })
})

describe('the ledger goes', () => {
  it('back behind its mirror: appends stop with a temporary error until that is mended', async () => {
    nodes = await durableNodes()
    await append(nodes.a, channel, 3)
    await mirrored()
    const [meta = ''] = await nodes.redis.keys('*:meta')
    await nodes.redis.hset(meta, 'last', 1_000)
    await until('both nodes have seen it', () =>
      [nodes.a, nodes.b].every(node => node.status().ledger === 'behind_mirror'),
    )
    await expect(append(nodes.a, channel, 1)).rejects.toMatchObject({
      code: 'LEDGER_BEHIND',
      remedy: 'retry_later',
    })
    // A node that starts now knows it before its first append.
    await expect(append(await nodes.node(), channel, 1)).rejects.toMatchObject({ code: 'LEDGER_BEHIND' })
    const [{ epoch } = { epoch: '' }] = await nodes.database.sql<{ epoch: string }[]>`
      select holdfast.new_epoch() as epoch`
    await until('they go on under the new epoch', () =>
      [nodes.a, nodes.b].every(node => node.status().ledger === 'ready' && node.status().epoch === epoch),
    )
    expect(await append(nodes.b, channel, 1)).toEqual([4])
  })

  it('into a new epoch: subscriptions end with a code that brings clients back, and old places are told to be lost', async () => {
    nodes = await durableNodes()
    await append(nodes.a, channel, 5)
    const readers = [await listen(nodes.a, channel, 0), await listen(nodes.b, channel, 0)]
    await nodes.database.sql`select holdfast.new_epoch()`
    await until('both are ended', () => readers.every(({ outlet }) => outlet.ended.length === 1))
    expect(readers[1]?.outlet.ended).toEqual([{ channel, code: 2500 }])
    const old = await listen(nodes.b, channel, { offset: 5, epoch: nodes.epoch })
    expect([old.recovered, old.position.offset]).toEqual([false, 5])
    expect(old.position.epoch).not.toBe(nodes.epoch)
    await append(nodes.a, channel, 2)
    await until('it is live', () => old.offsets().length === 2)
    const again = await listen(nodes.a, channel, { offset: 3, epoch: old.position.epoch })
    expect([again.recovered, again.offsets()]).toEqual([true, [4, 5, 6, 7]])
  })

  it('away: hot replay and what was accepted go on, cold asks get a temporary error', async () => {
    nodes = await durableNodes()
    const proxy = await tcpProxy(nodes.database.url)
    const ledger = await nodes.database.open({ url: proxy.through(nodes.database.url) })
    const redisUrl = `redis://127.0.0.1:${nodes.redis.options.port}`
    const tier = await createDurableTier({ ledger, redis: redisUrl, logger: createLogger('silent') })
    await append(nodes.a, channel, 10)
    await append(nodes.a, 'order:cold', 10)
    await mirrored('order:cold')
    await mirrored()
    for (const key of await nodes.redis.keys('*:h:*:order:cold')) await nodes.redis.del(key)
    const live = await listen(tier, channel, 0)
    await until('live', () => live.offsets().length === 10)
    await proxy.close()
    const hot = await listen(tier, channel, 3)
    expect([hot.recovered, hot.offsets()]).toEqual([true, dense(4, 10)])
    await append(nodes.b, channel, 5)
    await until(
      'what others append arrives',
      () => live.offsets().length === 15 && hot.offsets().length === 12,
    )
    await expect(listen(tier, 'order:cold', 3)).rejects.toMatchObject({ remedy: 'retry_later' })
    await expect(tier.history({ channel: 'order:cold', limit: 5, reverse: false })).rejects.toMatchObject({
      remedy: 'retry_later',
    })
    expect((await tier.history({ channel, limit: 5, reverse: false })).publications).toHaveLength(5)
    await until('it says so', () => tier.status().ledger === 'unreachable')
    expect(live.offsets()).toEqual(dense(1, 15))
    expect(hot.offsets()).toEqual(dense(4, 15))
    await tier.close()
  })
})
