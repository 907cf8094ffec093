import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeDelivery } from '../../../test/support/deliveries.ts'
import {
  append,
  type DurableNodes,
  dense,
  durableNodes,
  listen,
} from '../../../test/support/durable-nodes.ts'
import { until } from '../../../test/support/until.ts'
import { newEventId } from '../../domain/index.ts'
import { createLogger } from '../../platform/index.ts'
import type { BackgroundLoop } from '../background-loop.ts'
import type { OpenTier } from '../log-access.ts'
import { entryOf } from '../mirror/entry.ts'
import { forgetNow, startForgetting } from './forgetting.ts'
import { createOperations, type Operations } from './operations.ts'

const channel = 'order:1'
const secret = 'a-secret-word'
const said = JSON.stringify({ said: secret })
const logger = createLogger('silent')

let nodes: DurableNodes
let operations: Operations
let loops: BackgroundLoop[]

beforeEach(async () => {
  nodes = await durableNodes()
  operations = createOperations(nodes.database.sql)
  loops = []
})
afterEach(async () => {
  await Promise.all(loops.map(loop => loop.stop()))
  await nodes.close()
})

const erase = (offset: number, name = channel) =>
  operations.erasure.erase({ channel: name, event: { offset }, actor: 'anna', reason: 'asked for' })

function forgetting(tier: OpenTier): void {
  const { redis } = tier.log
  if (!redis) throw new Error('the node has no redis')
  loops.push(startForgetting({ sql: nodes.database.sql, copies: redis, logger, intervalMs: 20 }))
}

/** Makes as if the erasures had been made an hour ago: nothing that was read before them can come any more. */
const longAgo = () => nodes.database.sql`update holdfast.erasures set time = time - 3600000`
const allForgotten = (limitMs?: number) =>
  until('nothing is left to be forgotten', async () => (await operations.erasure.pending()) === 0, limitMs)

async function mirrored(): Promise<void> {
  const partition = nodes.bare.partitionOf(channel)
  await until('the mirror is level', async () => {
    const last = Number((await nodes.redis.hget(`{${nodes.epoch}.${partition}}:meta`, 'last')) ?? 0)
    return last === (await nodes.bare.partitionHeads([partition])).get(partition)
  })
}

/** The keys of Redis in which the secret can be read. */
async function tellTales(): Promise<string[]> {
  const keys = await nodes.redis.keys('*')
  const found = await Promise.all(
    keys.map(async key => {
      if ((await nodes.redis.type(key)) !== 'stream') return []
      return JSON.stringify(await nodes.redis.xrange(key, '-', '+')).includes(secret) ? [key] : []
    }),
  )
  return found.flat()
}

const tombstone = { data: null, tags: { type: 'holdfast.erased' } }
const publications = (lines: readonly string[]) => lines.map(line => JSON.parse(line) as { offset: number })

describe('an erased event', () => {
  it('keeps its place and says nothing any more, in the ledger and beside it; the act is recorded, and is an event', async () => {
    const id = newEventId()
    const info = { user: 'ben', client: 'c1' }
    await nodes.a.append({ channel, type: 'Said', data: said, id, info })
    await append(nodes.a, channel, 2)
    const { sql } = nodes.database
    await writeDelivery(sql, { consumer: 'group/x', channel, offset: 1, reason: `cannot say ${secret}` })
    const [before] = await sql`select "offset", position, id, time from holdfast.events where "offset" = 1`
    expect(await erase(1)).toEqual({ channel, offset: 1, id, already: false })
    expect(
      await sql`select "offset", position, id, time, type, data, meta from holdfast.events where "offset" = 1`,
    ).toEqual([{ ...before, type: 'holdfast.erased', data: 'null', meta: null }])
    expect(await sql`select event_type, reason, state from holdfast.deliveries`).toEqual([
      { event_type: 'holdfast.erased', reason: 'the event was erased', state: 'parked' },
    ])
    const [recorded] = await sql<{ channel: string; type: string; data: string }[]>`
      select channel, type, data from holdfast.outbox`
    expect(recorded).toMatchObject({ channel: 'holdfast:erasures', type: 'EventErased' })
    expect(JSON.parse(recorded?.data ?? '')).toEqual({
      ...{ channel, offset: 1, id, actor: 'anna', reason: 'asked for' },
    })
    expect(await operations.deliveries.ofEvent({ id })).toMatchObject([
      {
        ledger: 'erased',
        acts: [{ act: 'erase', actor: 'anna', target: `event ${channel} 1`, reason: 'asked for' }],
      },
    ])
    const dump = await sql`select row_to_json(t)::text as row from (
      select to_json(d) from holdfast.deliveries d union all select to_json(o) from holdfast.outbox o
      union all select to_json(a) from holdfast.acts a union all select to_json(e) from holdfast.events e) t`
    expect(JSON.stringify(dump)).not.toContain(secret)
  })

  it('is erased once, by id as by offset, and by many at once', async () => {
    const id = newEventId()
    await nodes.a.append({ channel, type: 'Said', data: said, id })
    const by = { actor: 'ben', reason: 'again' }
    const done = await Promise.all([
      erase(1),
      operations.erasure.erase({ channel, event: { id: id.toUpperCase() }, ...by }),
      erase(1),
    ])
    expect(done.filter(({ already }) => !already)).toHaveLength(1)
    for (const table of ['acts', 'outbox', 'erasures'])
      expect((await nodes.database.sql.unsafe(`select count(*) from holdfast.${table}`))[0]).toEqual({
        count: 1,
      })
  })

  it('is not recorded again by a retry, which is told of a duplicate and announces nothing', async () => {
    const id = newEventId()
    const event = { channel, type: 'Said', data: said, id }
    await nodes.a.append(event)
    await append(nodes.a, channel, 1)
    const live = await listen(nodes.b, channel)
    await erase(1)
    for (const node of [nodes.a, nodes.b])
      expect(await node.append({ ...event, data: '{"other":1}' })).toMatchObject({
        offset: 1,
        duplicate: true,
      })
    expect(await nodes.b.append(event)).toMatchObject({ offset: 1, id, duplicate: true })
    await append(nodes.a, channel, 1)
    await until('the next one has come', () => live.offsets().length > 0)
    expect(live.offsets()).toEqual([3])
    expect((await nodes.bare.readChannel(channel, { limit: 9 })).events.map(({ data }) => data)).toEqual([
      'null',
      '{}',
      '{}',
    ])
  })

  it.each([
    ['that is not there', 7, /order:1 has no event 7/],
    ['of a channel that is not there', 1, /order:2 has no event 1/, 'order:2'],
    ['that retention has removed', 1, /removed order:1 1 already: the first there is is 2/],
  ])('%s is refused with what is there', async (_, offset, message, name = channel) => {
    await append(nodes.a, channel, 3)
    const { sql } = nodes.database
    await sql`select holdfast.remove_events(${nodes.epoch}, ${nodes.bare.partitionOf(channel)}, ${channel}, 1)`
    await expect(erase(offset, name)).rejects.toMatchObject({ code: 'REQUEST_INVALID', message })
    expect(await sql`select * from holdfast.acts`).toEqual([])
  })
})

describe('the copies of an erased event', () => {
  async function speak(): Promise<void> {
    await append(nodes.a, channel, 5)
    await nodes.a.append({ channel, type: 'Said', data: said })
    await append(nodes.a, channel, 5)
    await mirrored()
    expect(await tellTales()).toHaveLength(2)
  }

  it('are gone from Redis, and late joiners get its tombstone, with and without Redis', async () => {
    await speak()
    forgetting(nodes.a)
    forgetting(nodes.b)
    const live = await listen(nodes.b, channel)
    await erase(6)
    await until('no copy is left', async () => (await tellTales()).length === 0)
    await longAgo()
    await allForgotten()
    await append(nodes.b, channel, 3)
    await until('the live one goes on', () => live.offsets().length >= 3)
    expect(live.offsets()).toEqual([12, 13, 14])
    await mirrored()
    const look = async (node: OpenTier) => {
      for (const since of [0, 5, 6]) {
        const late = await listen(node, channel, since)
        await until('all has come', () => late.offsets().length >= 14 - since)
        expect([late.recovered, late.offsets()]).toEqual([true, dense(since + 1, 14)])
      }
      const page = await node.history({ channel, limit: 3, since: { offset: 4, epoch: '' }, reverse: false })
      expect(publications(page.publications)).toMatchObject([
        { offset: 5 },
        { offset: 6, ...tombstone },
        { offset: 7 },
      ])
      expect(JSON.stringify(page)).not.toContain(secret)
    }
    await look(nodes.b)
    await look(await nodes.node({ redisUrl: undefined }))
    expect(await tellTales()).toEqual([])
  })

  it('in histories of former generations go too, and no other channel’s', async () => {
    await append(nodes.a, `x:${channel}`, 1)
    await speak()
    const tag = `{${nodes.epoch}.${nodes.bare.partitionOf(channel)}}`
    const gen = await nodes.redis.hget(`${tag}:meta`, 'gen')
    await nodes.redis.copy(`${tag}:h:${gen}:${channel}`, `${tag}:h:former:${channel}`)
    await nodes.redis.copy(`${tag}:h:${gen}:${channel}`, `${tag}:h:former:x:${channel}`)
    await erase(6)
    expect(await forgetNow(nodes.database.sql, redisUrl(), logger)).toBe(true)
    expect(await tellTales()).toEqual([`${tag}:h:former:x:${channel}`])
  })

  it('in the log of a former epoch go too, and nothing of another ledger’s', async () => {
    await speak()
    const other = `{other.${nodes.bare.partitionOf(channel)}}`
    await nodes.redis.xadd(`${other}:log`, '6-0', 'l', 'another event')
    const { redis } = nodes.a.log
    await nodes.database.sql`select holdfast.new_epoch()`
    await until('the node has heard of it', () => redis?.mirrors.epoch !== nodes.epoch)
    await append(nodes.a, channel, 1)
    expect(await tellTales()).not.toEqual([])
    await erase(6)
    expect(await forgetNow(nodes.database.sql, redisUrl(), logger)).toBe(true)
    expect(await tellTales()).toEqual([])
    expect(await nodes.redis.xlen(`${other}:log`)).toBe(1)
  })

  it('cannot come back by a range that was read before the erasure and is late', async () => {
    await speak()
    const partition = nodes.bare.partitionOf(channel)
    const { events } = await nodes.bare.readPartition(partition, 1, 100)
    const stale = { from: 1, to: 11, entries: events.map(entryOf) }
    const mirrors = nodes.a.log.redis?.mirrors
    const late = () => mirrors?.apply(partition, stale, 'lines')
    const live = await listen(nodes.b, channel)
    await erase(6)
    await forgetNow(nodes.database.sql, redisUrl(), logger)
    expect(await late()).toMatchObject({ code: 'applied' })
    expect(await tellTales()).toEqual([])
    // Wiped and seeded from the start in between: the one way in. The second look finds it.
    await nodes.redis.flushall()
    await mirrors?.seed(partition, '', 'anew', 1)
    await late()
    expect((await tellTales()).length).toBeGreaterThan(0)
    await longAgo()
    forgetting(nodes.a)
    await allForgotten()
    expect(await tellTales()).toEqual([])
    await append(nodes.a, channel, 1)
    await until('the live one goes on', () => live.offsets().length > 0)
    expect(live.offsets()).toEqual([12])
    const reader = await listen(nodes.b, channel, 0)
    await until('all has come', () => reader.offsets().length >= 12)
    expect(reader.offsets()).toEqual(dense(1, 12))
  })

  it('are removed when Redis is back, if it was away', async () => {
    await speak()
    forgetting(nodes.a)
    nodes.redisProcess().kill('SIGSTOP')
    await erase(6)
    expect(await forgetNow(nodes.database.sql, redisUrl(), logger)).toBe(false)
    await longAgo()
    expect(await operations.erasure.pending()).toBe(1)
    nodes.redisProcess().kill('SIGCONT')
    await allForgotten()
    expect(await tellTales()).toEqual([])
  })

  it('that a worker had in its hands go at the second look: a job’s, and a delivery’s row that was written late', async () => {
    await speak()
    const { redis } = nodes.a.log
    if (!redis) throw new Error('the node has no redis')
    const jobs: object[] = []
    let jobsAway = true
    const forgetJobs = async (place: { partition: number; position: number }) => {
      jobs.push(place)
      if (jobsAway) throw new Error('the redis of jobs is away')
    }
    const { sql } = nodes.database
    loops.push(startForgetting({ sql, copies: redis, forgetJobs, logger, intervalMs: 20 }))
    await writeDelivery(sql, { consumer: 'group/x', channel, offset: 6 })
    await erase(6)
    await until('no copy is left in the log', async () => (await tellTales()).length === 0)
    await sql`update holdfast.deliveries set event_type = 'Said', reason = ${`no ${secret}`}`
    await longAgo()
    await until('jobs were asked in vain', () => jobs.length > 1)
    expect(await operations.erasure.pending()).toBe(1)
    jobsAway = false
    await allForgotten()
    expect(jobs.at(-1)).toMatchObject({ partition: nodes.bare.partitionOf(channel), position: 6 })
    expect(await sql`select event_type, reason from holdfast.deliveries`).toEqual([
      { event_type: 'holdfast.erased', reason: 'the event was erased' },
    ])
  })

  it('go from rows that are written long after, and from one that is being handled at the time', async () => {
    await speak()
    const { sql } = nodes.database
    forgetting(nodes.a)
    await writeDelivery(sql, { consumer: 'group/x', channel, offset: 6 })
    await sql.begin(async tx => {
      await tx`select from holdfast.deliveries for update`
      await erase(6)
      await tx`update holdfast.deliveries set reason = ${`no ${secret}`}, event_type = 'Said'`
    })
    const blank = [{ event_type: 'holdfast.erased', reason: 'the event was erased' }]
    const rows = () => sql`select event_type, reason from holdfast.deliveries`
    const blanked = () => until('it says nothing', async () => !JSON.stringify(await rows()).includes(secret))
    await blanked()
    expect(await rows()).toEqual(blank)
    await longAgo()
    await allForgotten()
    await sql`update holdfast.deliveries set reason = ${`still no ${secret}`}`
    await blanked()
    expect(await rows()).toEqual(blank)
  })

  it('are looked for of any number of events at once, in jobs alone where the log has no Redis', async () => {
    const { sql } = nodes.database
    const insert = (from: number, to: number) => sql`
      insert into holdfast.erasures (partition, channel, "offset", position, event_id, epoch, time)
      select 1, ${channel}, n, n, gen_random_uuid(), 'e', floor(extract(epoch from clock_timestamp()) * 1000)
      from generate_series(${from}::int, ${to}::int) as n`
    const jobs = new Set<number>()
    const forgetJobs = async ({ position }: { position: number }) => void jobs.add(position)
    loops.push(startForgetting({ sql, forgetJobs, logger, intervalMs: 20 }))
    await insert(1, 2_500)
    await until('all were looked for', () => jobs.size === 2_500, 20_000)
    await insert(2_501, 2_501)
    await until('another one was', () => jobs.has(2_501))
    await longAgo()
    await allForgotten(60_000)
  }, 120_000)

  it('are not handed on from a node’s memory', async () => {
    await speak()
    // Both nodes have read the page a moment ago, and share it with whoever asks.
    for (const node of [nodes.a, nodes.b]) {
      await listen(node, channel)
      await node.history({ channel, limit: 11, reverse: false })
    }
    await erase(6)
    await forgetNow(nodes.database.sql, redisUrl(), logger)
    for (const node of [nodes.a, nodes.b]) {
      await until(
        'it is the tombstone',
        async () => {
          const page = await node.history({ channel, limit: 11, reverse: false })
          return !JSON.stringify(page).includes(secret)
        },
        3_000,
      )
    }
  })
})

function redisUrl(): string {
  const { host, port } = nodes.redis.options
  return `redis://${host}:${port}`
}
