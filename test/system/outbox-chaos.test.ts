import postgres from 'postgres'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { newEventId } from '../../src/domain/index.ts'
import { createDurableTier, createPostgresLedger, type OpenTier } from '../../src/durable/index.ts'
import { createLogger } from '../../src/platform/index.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { dense, listen } from '../support/durable-nodes.ts'
import { type OwnServer, ownRedis } from '../support/own-servers.ts'
import { seeded } from '../support/seeded.ts'
import { until } from '../support/until.ts'

const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Date.now() % 1_000_000)
const random = seeded(seed)
const whole = (below: number) => Math.floor(random() * below)
const rest = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

const patienceMs = 60_000
const transactions = 1_000
const connections = 40
const channels = Array.from({ length: 50 }, (_, n) => `order:${n}`)

/** What a transaction has published and committed, in its order, and when it was under way. */
interface Committed {
  readonly rows: readonly { readonly id: string; readonly channel: string }[]
  readonly begun: number
  readonly ended: number
}

let redis: OwnServer
let cluster: Cluster
let app: postgres.Sql
/** A node in this process, which is not killed: its subscribers see all. */
let tier: OpenTier

beforeAll(async () => {
  redis = await ownRedis()
  cluster = await startCluster({ nodes: 2, redisUrl: redis.url, config: { log: { level: 'error' } } })
  app = postgres(cluster.databaseUrl, { max: connections })
  const logger = createLogger(process.env['HOLDFAST_TEST_LOG'] ?? 'silent')
  const url = cluster.databaseUrl
  const ledger = await createPostgresLedger({ url, poolSize: 3, lanes: 1, allowUnsafeFsync: false, logger })
  tier = await createDurableTier({ ledger, redis: redis.url, nodeId: 'test', logger })
})
afterAll(async () => {
  await tier?.close()
  await app?.end()
  await cluster?.close()
  await redis?.stop()
})

const aliveNodes = () =>
  cluster.nodes.filter(({ process }) => process.signalCode === null && process.exitCode === null)

it(`records what was committed, once and in order, and nothing else, while nodes are killed (seed ${seed})`, async () => {
  const watched = channels.slice(0, 6)
  const subscribers = await Promise.all(watched.map(channel => listen(tier, channel)))
  const committed: Committed[] = []
  const rolledBack: string[] = []
  const appended: string[] = []
  let working = true

  // Open all the time, on a channel that everybody uses: it must keep nobody waiting.
  const opened = Promise.withResolvers<void>()
  const mayCommit = Promise.withResolvers<void>()
  const longRow = { id: newEventId(), channel: 'order:0' }
  const long = app.begin(async tx => {
    await tx`select holdfast_publish(${longRow.channel}, 'Long', '"open"', ${longRow.id})`
    opened.resolve()
    await mayCommit.promise
  })
  await opened.promise
  const begunBefore = performance.now()

  const ordinary = (async () => {
    for (let n = 0; working || n < 100; n++) {
      const id = newEventId()
      await tier.append({ channel: channels[n % 3] ?? '', type: 'Ordinary', data: String(n), id })
      appended.push(id)
      await rest(5)
    }
  })()

  let kills = 0
  async function killer(): Promise<void> {
    while (working || kills < 5) {
      const alive = aliveNodes()
      const victim = alive[whole(alive.length)]
      await rest(whole(300))
      if (random() < 0.3) {
        // It goes on with what it has read before, as if no time had passed.
        victim?.process.kill('SIGSTOP')
        await rest(whole(600))
        victim?.process.kill('SIGCONT')
        continue
      }
      // One is left, so that its relay takes over in the middle; how long a start takes depends on the machine.
      if (alive.length < 2) {
        await cluster.start()
        continue
      }
      const wipes = ++kills === 2
      await victim?.kill()
      if (wipes) await redis.kill()
      await cluster.start()
      if (wipes) await redis.startAgain()
    }
  }
  const killers = [killer(), killer()]

  async function transaction(number: number): Promise<void> {
    const rows = Array.from({ length: 1 + whole(5) }, () => ({ id: newEventId(), channel: '' }))
    const mine = [channels[whole(50)] ?? '', channels[whole(50)] ?? '']
    const plan = rows.map(row => ({ ...row, channel: mine[whole(2)] ?? '', hold: whole(140) }))
    const commits = random() < 0.5
    const begun = performance.now()
    const running = app.begin(async tx => {
      for (const [n, { id, channel, hold }] of plan.entries()) {
        await tx`select holdfast_publish(${channel}, 'Numbered', ${`[${number},${n}]`}, ${id})`
        await rest(hold)
      }
      if (!commits) throw new Error('rolled back')
    })
    if (commits) {
      await running
      committed.push({ rows: plan, begun, ended: performance.now() })
    } else {
      await expect(running).rejects.toThrow('rolled back')
      rolledBack.push(...plan.map(row => row.id))
    }
  }

  /** Two on one channel, of which the one that published first commits last. */
  async function crossed(channel: string): Promise<void> {
    const [first, second] = [newEventId(), newEventId()]
    const begun = performance.now()
    await app.begin(async early => {
      await early`select holdfast_publish(${channel}, 'Crossed', '1', ${first})`
      const inner = performance.now()
      await app.begin(late => late`select holdfast_publish(${channel}, 'Crossed', '2', ${second})`)
      committed.push({ rows: [{ id: second, channel }], begun: inner, ended: performance.now() })
      await until(
        'the later one is recorded',
        async () => {
          const { events } = await tier.log.ledger.readChannel(channel, { limit: 5_000 })
          return events.some(event => event.id === second)
        },
        patienceMs,
      )
    })
    committed.push({ rows: [{ id: first, channel }], begun, ended: performance.now() })
  }

  let next = 0
  const workers = Array.from({ length: connections - 8 }, async () => {
    while (next < transactions) await transaction(next++)
  })
  const crossings = (async () => {
    for (let n = 0; n < 8; n++) await crossed(channels[n] ?? '')
  })()
  await Promise.all([...workers, crossings])
  working = false
  await Promise.all(killers)
  await ordinary
  mayCommit.resolve()
  await long
  committed.push({ rows: [longRow], begun: begunBefore, ended: performance.now() })

  await until(
    'the outbox is empty',
    async () => (await app`select from holdfast.outbox`).length === 0,
    patienceMs,
  )
  const events = await app<{ id: string; channel: string; offset: string }[]>`
    select id, channel, "offset" from holdfast.events order by channel, "offset"`
  const expected = [...committed.flatMap(({ rows }) => rows.map(row => row.id)), ...appended]
  const ids = events.map(event => event.id)
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids.toSorted()).toEqual(expected.toSorted())
  expect(ids.filter(id => rolledBack.includes(id))).toEqual([])
  for (const [channel, own] of Map.groupBy(events, event => event.channel)) {
    expect([channel, ...own.map(event => Number(event.offset))]).toEqual([channel, ...dense(1, own.length)])
  }
  expectOrder(committed, new Map(events.map(({ id, offset }) => [id, Number(offset)])))
  for (const [i, channel] of watched.entries()) {
    const head = events.filter(event => event.channel === channel).length
    await until(`${channel} is delivered`, () => (subscribers[i]?.offsets().length ?? 0) >= head, patienceMs)
    expect(subscribers[i]?.offsets()).toEqual(dense(1, head))
  }
  console.info(
    `${committed.length} committed with ${expected.length - appended.length} events, ${rolledBack.length} rolled back, ${appended.length} appended beside them, ${kills} nodes killed`,
  )
}, 400_000)

it('records and delivers once what was at the database when its node was killed', async () => {
  const channel = 'order:killed'
  const subscriber = await listen(tier, channel)
  // The relay is held up at the partition's lock: its statement is under way, and nobody will read the answer.
  await app.begin(async tx => {
    await tx`select pg_advisory_xact_lock(1212566596, ${tier.log.ledger.partitionOf(channel)})`
    await app`select holdfast_publish(${channel}, 'Numbered', '1')`
    await until('a relay waits for the partition', async () => {
      const waiting = await app`
        select from pg_stat_activity where datname = current_database()
        and application_name = 'holdfast-outbox' and wait_event_type = 'Lock'`
      return waiting.length > 0
    })
    await Promise.all(aliveNodes().map(node => node.kill()))
  })
  // Committed without a client, or rolled back with it; then another node has to do it.
  await cluster.start()
  await until('it is delivered', () => subscriber.offsets().length === 1, patienceMs)
  await until('the outbox is empty', async () => (await app`select from holdfast.outbox`).length === 0)
  const { events } = await tier.log.ledger.readChannel(channel, { limit: 10 })
  expect(events.map(event => [event.offset, event.data])).toEqual([[1, '1']])
  expect(subscriber.offsets()).toEqual([1])
}, 120_000)

/** In a channel, a transaction's events keep their order, and come before those of one that began after its commit. */
function expectOrder(committed: readonly Committed[], offsets: ReadonlyMap<string, number>): void {
  const parts = committed.flatMap(({ rows, begun, ended }) =>
    [...Map.groupBy(rows, row => row.channel)].map(([channel, own]) => ({
      channel,
      begun,
      ended,
      places: own.map(row => offsets.get(row.id) ?? 0),
    })),
  )
  for (const { places } of parts) expect(places).toEqual(places.toSorted((a, b) => a - b))
  for (const [, own] of Map.groupBy(parts, part => part.channel)) {
    for (const earlier of own) {
      for (const later of own) {
        if (earlier.ended >= later.begun) continue
        expect(later.places[0] ?? 0).toBeGreaterThan(earlier.places.at(-1) ?? 0)
      }
    }
  }
}
