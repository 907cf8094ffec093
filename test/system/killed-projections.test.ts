import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type LocalRedis, startLocalRedis } from '../../src/cli/services/local-redis.ts'
import { createDurableTier, createOperations, type OpenTier } from '../../src/durable/index.ts'
import { createLogger } from '../../src/platform/index.ts'
import { projectionActs } from '../../src/projections/acts.ts'
import { allBuilds, type KnownBuild } from '../../src/projections/registry.ts'
import { type TestLedger, testLedger } from '../support/ledger.ts'
import { beginning, type Chain, chained, type Told } from '../support/projection-models.ts'
import { seeded } from '../support/seeded.ts'
import { until } from '../support/until.ts'

const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Date.now() % 1_000_000)
const total = Number(process.env['HOLDFAST_TEST_EVENTS'] ?? 4_000)
const channels = 40
const kills = 3
const limitMs = 240_000
const program = fileURLToPath(new URL('../support/projection-worker.ts', import.meta.url))
const names = ['chains', 'kinds', 'sums']
const by = { actor: 'test' }

interface EventRow {
  readonly channel: string
  readonly partition: number
  readonly position: number
  readonly offset: number
  readonly data: string
}

interface Snapshot {
  readonly build: number
  readonly version: number
  readonly rows: readonly { key: string; state: Chain; offset: number }[]
  readonly checkpoints: ReadonlyMap<number, number>
}

/**
 * The promise of read models: whatever is killed, each is the fold of the ledger; and a reader sees one version at one
 * position, also while another one takes its place.
 */
describe(`projections whose processes are killed (seed ${seed}, ${total} events)`, () => {
  const random = seeded(seed)
  let database: TestLedger
  let local: LocalRedis
  let tier: OpenTier
  const alive = new Map<string, ChildProcess>()
  /** Who has ended without being killed. */
  const deaths: string[] = []
  let started = 0

  beforeAll(async () => {
    database = await testLedger()
    local = await startLocalRedis({ server: inject('redisServer') })
    tier = await createDurableTier({
      ledger: database.ledgers[0],
      redis: local.url,
      nodeId: 'appender',
      logger: createLogger('silent'),
    })
  })
  afterAll(async () => {
    for (const name of [...alive.keys()]) await kill(name)
    await tier?.close()
    await local?.stop()
    await database?.close()
  })

  function start(versions: readonly number[]): void {
    const name = `worker-${++started}`
    const setup = { name, databaseUrl: database.url, redisUrl: local.url, versions }
    const child = spawn(process.execPath, [program, JSON.stringify(setup)], {
      stdio: ['ignore', process.env['HOLDFAST_TEST_LOG'] ? 'inherit' : 'ignore', 'inherit'],
    })
    alive.set(name, child)
    child.once('exit', code => {
      if (alive.delete(name)) deaths.push(`${name} ended with ${code}`)
    })
  }

  async function kill(name: string | undefined): Promise<void> {
    const child = alive.get(name ?? '')
    if (!child || name === undefined) return
    alive.delete(name)
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }

  let numbers = 0
  /** Some events to channels at random, some channels more often than others. */
  async function appendSome(count: number): Promise<void> {
    const appends = Array.from({ length: count }, () => {
      const channel = `tale:${Math.floor(random() ** 2 * channels)}`
      const told: Told = { number: ++numbers, kind: 'abc'[Math.floor(random() * 3)] ?? 'a' }
      return tier.append({ channel, type: 'Told', data: JSON.stringify(told) })
    })
    await Promise.all(appends)
  }

  const builds = (name: string) => allBuilds(database.sql, name)
  const active = async (name: string) => (await builds(name)).find(({ state }) => state === 'active')

  /** Everything that a reader can see at one moment. */
  async function snapshot(): Promise<Snapshot | undefined> {
    const build = await active('chains')
    if (!build?.tables['states']) return undefined
    return (await database.sql.begin('isolation level repeatable read', async tx => {
      const rows = await tx<Snapshot['rows'][number][]>`
        select key, state, "offset" from ${tx(`holdfast_projections.${build.tables['states']?.physical}`)}`
      const places = await tx<{ partition: number; position: number }[]>`
        select partition, position from holdfast.group_partitions where "group" = ${build.group}`
      const checkpoints = new Map(places.map(({ partition, position }) => [partition, position]))
      return { build: build.id, version: build.version, rows: [...rows], checkpoints }
    })) as Snapshot
  }

  async function ledger(): Promise<readonly EventRow[]> {
    return database.sql<EventRow[]>`
      select channel, partition, position, "offset", data from holdfast.events
      where channel like 'tale:%' order by partition, position`
  }

  function expectOnePosition({ version, rows, checkpoints }: Snapshot, events: readonly EventRow[]): void {
    const states = new Map<string, Chain | null>()
    for (const { channel, partition, position, data } of events) {
      if (position > (checkpoints.get(partition) ?? 0)) continue
      states.set(channel, chained(version, states.get(channel) ?? beginning, JSON.parse(data)))
    }
    const expected = [...states].filter(([, state]) => state !== null)
    expect(Object.fromEntries(rows.map(({ key, state }) => [key, state]))).toEqual(
      Object.fromEntries(expected),
    )
  }

  async function caughtUp(build: KnownBuild): Promise<boolean> {
    const rows = await database.sql`
      select from holdfast.group_partitions
      where "group" = ${build.group} and position < holdfast.partition_head(partition)`
    const places = await database.sql`select from holdfast.group_partitions where "group" = ${build.group}`
    // What waited too long for a row on a busy machine is tried again; what is parked stays.
    const again = await database.sql`
      select from holdfast.deliveries
      where consumer = ${`group/${build.group}`} and state in ('retrying', 'waiting')`
    return rows.length === 0 && places.length > 0 && again.length === 0
  }

  async function expectFolds(version: number): Promise<void> {
    for (const name of names)
      await until(
        `${name} has caught up`,
        async () => {
          const build = await active(name)
          return build?.version === version && (await caughtUp(build))
        },
        60_000,
      )
    const events = await ledger()
    const last = await snapshot()
    if (!last) throw new Error('there is no build')
    expect(last.version).toBe(version)
    expectOnePosition(last, events)
    const byKind = new Map<string, number>()
    const lines = new Map<string, { last: number; sum: number }>()
    for (const { channel, offset, data } of events) {
      const { number, kind } = JSON.parse(data) as Told
      byKind.set(kind, (byKind.get(kind) ?? 0) + number * version)
      lines.set(channel, { last: offset, sum: (lines.get(channel)?.sum ?? 0) + number * version })
    }
    const view = (name: string) => database.sql.unsafe(`select * from holdfast_projections.${name}`)
    expect(Object.fromEntries((await view('kinds_states')).map(row => [row['key'], row['state']]))).toEqual(
      Object.fromEntries(byKind),
    )
    expect(Object.fromEntries((await view('sums_totals')).map(row => [row['kind'], row['sum']]))).toEqual(
      Object.fromEntries(byKind),
    )
    expect(
      Object.fromEntries(
        (await view('sums_lines')).map(({ channel, last, sum }) => [channel, { last, sum }]),
      ),
    ).toEqual(Object.fromEntries(lines))
    expect(
      await database.sql`select from holdfast.deliveries where consumer like 'group/holdfast.projection-%'`,
    ).toEqual([])
  }

  /** Appends `count` while processes are killed at random points of the work, and others started. */
  async function appendAndKill(count: number, versions: readonly number[]): Promise<void> {
    const end = numbers + count
    const mishaps = Array.from({ length: kills }, () => numbers + Math.floor(random() * count)).sort(
      (a, b) => b - a,
    )
    while (numbers < end) {
      await appendSome(Math.min(1 + Math.floor(random() * 200), end - numbers))
      while ((mishaps.at(-1) ?? end) <= numbers && mishaps.length > 0) {
        mishaps.pop()
        const victims = [...alive.keys()]
        await kill(victims[Math.floor(random() * victims.length)])
        start(versions)
        // Not all at once: most are killed at work.
        await delay(random() * 400)
      }
    }
  }

  it(
    'are the fold of the ledger, after a rebuild too, which readers see at one moment',
    async () => {
      await appendSome(500)
      start([1])
      start([1])
      await until('somebody has begun', () => active('sums'), 60_000)
      await appendAndKill(total / 2, [1])
      await expectFolds(1)

      // The next version, beside the one that goes on.
      const seen: Snapshot[] = []
      let reading = true
      const reader = (async () => {
        while (reading) {
          const now = await snapshot()
          if (now) seen.push(now)
          await delay(5)
        }
      })()
      start([1, 2])
      start([1, 2])
      await appendAndKill(total / 2, [1, 2])
      await expectFolds(2)
      reading = false
      await reader
      const events = await ledger()
      const versions = seen.map(({ version }) => version)
      expect(versions).toEqual([...versions].sort())
      expect(new Set(versions)).toEqual(new Set([1, 2]))
      // Every one of them would be checked against all events: the machine has other things to do.
      const close = versions.indexOf(2)
      for (const [index, one] of seen.entries())
        if (index % 25 === 0 || Math.abs(index - close) < 10) expectOnePosition(one, events)

      // Back to the one that was kept, and once more from the beginning.
      const acts = projectionActs({
        sql: database.sql,
        groups: createOperations(database.sql).groups,
        hooks: { changed: async () => undefined, switched: async () => undefined },
      })
      for (const name of names) await acts.switchBack(name, by)
      await expectFolds(1)
      const before = (await active('chains'))?.id ?? 0
      for (const name of names) await acts.rebuild(name, by)
      await appendAndKill(total / 10, [1, 2])
      for (const name of names)
        await until(`${name} is rebuilt`, async () => ((await active(name))?.id ?? 0) > before, 60_000)
      await expectFolds(1)
      expect(deaths).toEqual([])
    },
    limitMs,
  )
})
