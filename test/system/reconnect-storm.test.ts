import { execFileSync } from 'node:child_process'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDurableTier, createPostgresLedger, migrate } from '../../src/durable/index.ts'
import { connectPostgres, createLogger, type Sql } from '../../src/platform/index.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { eventReads, redisCommands } from '../support/read-counts.ts'
import { seeded } from '../support/seeded.ts'
import { type Returning, startStorm } from '../support/storm.ts'

const sessions = 10_000
/** Sessions share these channels, except for every fifth, which has one of its own. */
const rooms = 40
const roomEvents = 400
const largestGap = 120
const ownEvents = 3
/** What others write, into the same partitions: no bound below knows of it. */
const others = { channels: 20, events: 40_000 }

const partitions = 64
/** How long a node hands a page on that it has read. */
const pageLifeS = 5
/** The most searches for heads that a node makes by itself: the sweeper's every 250 ms, the tail's every 200 ms. */
const ownSearches = (seconds: number) =>
  partitions * (Math.ceil(seconds / 0.25) + Math.ceil(seconds / 0.2) + 4)

const openFiles = Number(
  execFileSync('sh', ['-c', 'ulimit -Hn']).toString().trim().replace('unlimited', '1e9'),
)

/**
 * Each storm has a node of its own that has read nothing before, and that has ended when what it did is counted: a
 * session of Postgres reports its counts when it ends, and else when it likes.
 */
describe.skipIf(openFiles < sessions + 500)('a storm of 10,000 sessions that come back at once', () => {
  let cluster: Cluster
  let redis: Redis
  let sql: Sql
  let returning: readonly Returning[]

  beforeAll(async () => {
    // What works behind the log reads for itself, storm or not.
    // What is counted is what they cost: on a slow machine, some of them would else be told to come back later.
    const limits = { shedLagMs: 0 }
    const config = { role: 'gateway', auth: { allowAnonymous: true }, limits }
    cluster = await startCluster({ ownRedis: true, nodes: 0, config })
    await migrate(cluster.databaseUrl)
    redis = new Redis(cluster.redisUrl, { retryStrategy: () => null })
    redis.on('error', () => undefined)
    sql = connectPostgres(cluster.databaseUrl, { max: 1, applicationName: 'holdfast-test' })
    await write(cluster)
    returning = gaps()
  }, 240_000)
  afterAll(async () => {
    redis?.disconnect()
    await sql?.end({ timeout: 1 })
    await cluster?.close()
  })

  /** What a storm has cost, with the node's start and end. */
  async function storm(env: Record<string, string> = {}) {
    const hot = redis.status === 'ready'
    const before = { events: await eventReads(sql), redis: hot ? await redisCommands(redis) : {} }
    const began = performance.now()
    const node = await cluster.start({ env })
    const { end } = await startStorm(node.port, returning)
    const stormS = (performance.now() - began) / 1_000
    await end()
    await node.stop()
    const seconds = (performance.now() - began) / 1_000
    const after = { events: await eventReads(sql), redis: hot ? await redisCommands(redis) : {} }
    const commands: Record<string, number> = {}
    for (const [name, count] of Object.entries(after.redis))
      commands[name] = count - ((before.redis as Record<string, number>)[name] ?? 0)
    const { rows, searches } = after.events
    const cost = { rows: rows - before.events.rows, searches: searches - before.events.searches, commands }
    return { ...cost, stormS, seconds }
  }

  it('costs Redis what they missed while it is hot, and Postgres only where their channels stand', async () => {
    const { channels, read } = missed(returning)
    const cost = await storm()
    const { commands, rows, searches, stormS } = cost
    console.log(`hot storm: ${summary(cost)}; of ${JSON.stringify(missed(returning))}`)
    const scripts = (commands['evalsha'] ?? 0) + (commands['eval'] ?? 0)
    // A session that missed something reads one page, unless another one's has it.
    expect(scripts).toBeLessThanOrEqual(read + channels)
    // A page is read in steps of 16, 32, 64, 128 entries, after a look at the history's end.
    expect((commands['xrange'] ?? 0) + (commands['xrevrange'] ?? 0)).toBeLessThanOrEqual(5 * scripts)
    // The bus is asked once for a channel, and once for its partition's notices.
    expect(commands['subscribe'] ?? 0).toBeLessThanOrEqual(2 * channels)
    expect(rows).toBeLessThanOrEqual(4 * channels + ownSearches(cost.seconds))
    expect(searches).toBeLessThanOrEqual(4 * channels + ownSearches(cost.seconds))
    // What sessions share is read once as long as a page lives.
    const often = 1 + Math.ceil(stormS / pageLifeS)
    expect(scripts).toBeLessThanOrEqual(often * (rooms * largestGap + sessions / 5))
  }, 120_000)

  it('costs Postgres what they missed while Redis is away', async () => {
    await cluster.redis?.stop()
    const { channels, read, union, events } = missed(returning)
    const cost = await storm()
    console.log(`cold storm: ${summary(cost)}; of ${JSON.stringify(missed(returning))}`)
    const often = 1 + Math.ceil(cost.stormS / pageLifeS)
    // Without announcements channels are compared with their heads while the storm lasts.
    const heads = 4 * channels + ownSearches(cost.seconds)
    expect(cost.rows).toBeLessThanOrEqual(Math.min(events, often * union) + heads)
    expect(cost.searches).toBeLessThanOrEqual(2 * read + heads)
  }, 120_000)
})

/** Through a durable tier like a node's, so that Redis has seen all of it. */
async function write({ databaseUrl, redisUrl }: Cluster): Promise<void> {
  const ledger = await createPostgresLedger({
    url: databaseUrl,
    poolSize: 2,
    lanes: 1,
    allowUnsafeFsync: false,
  })
  const tier = await createDurableTier({ ledger, redis: redisUrl, logger: createLogger('silent') })
  const channels = [
    ...Array.from({ length: rooms }, (_, i) => [`order:room-${i}`, roomEvents] as const),
    ...Array.from({ length: sessions / 5 }, (_, i) => [`order:own-${i}`, ownEvents] as const),
    ...Array.from(
      { length: others.channels },
      (_, i) => [`order:other-${i}`, others.events / others.channels] as const,
    ),
  ]
  const events = channels.flatMap(([channel, count]) =>
    Array.from({ length: count }, (_, n) => ({
      channel,
      type: 'Numbered',
      data: `{"n":${n + 1},"text":"${'x'.repeat(60)}"}`,
    })),
  )
  // As many at a time as a slow machine stores within the deadline of an append.
  for (let i = 0; i < events.length; i += 2_000)
    await Promise.all(events.slice(i, i + 2_000).map(event => tier.append(event)))
  await tier.close()
}

function gaps(): readonly Returning[] {
  const random = seeded(7)
  return Array.from({ length: sessions }, (_, i) => {
    const own = i % 5 === 0
    const head = own ? ownEvents : roomEvents
    const gap = Math.floor(random() * ((own ? ownEvents : largestGap) + 1))
    const channel = own ? `order:own-${i / 5}` : `order:room-${Math.floor(random() * rooms)}`
    return { channel, since: head - gap, head }
  })
}

/** `events`: missed by all sessions; `union`: different ones among them; `read`: sessions that missed any. */
function missed(returning: readonly Returning[]) {
  const byChannel = new Map<string, number>()
  for (const { channel, since, head } of returning)
    byChannel.set(channel, Math.max(byChannel.get(channel) ?? 0, head - since))
  return {
    channels: byChannel.size,
    events: returning.reduce((sum, { since, head }) => sum + head - since, 0),
    union: [...byChannel.values()].reduce((sum, gap) => sum + gap, 0),
    read: returning.filter(({ since, head }) => since < head).length,
  }
}

function summary({
  commands,
  rows,
  searches,
  stormS,
}: {
  commands: Readonly<Record<string, number>>
  rows: number
  searches: number
  stormS: number
}): string {
  const counts = Object.entries(commands).filter(([, count]) => count > 0)
  const redis = counts.map(([name, count]) => `${name} ${count}`).join(', ') || 'away'
  return `${stormS.toFixed(1)} s; Postgres ${rows} rows in ${searches} searches; Redis: ${redis}`
}
