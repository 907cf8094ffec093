import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type LocalRedis, startLocalRedis } from '../../src/cli/services/local-redis.ts'
import {
  createDurableTier,
  createOperations,
  createPostgresLedger,
  migrate,
  type OpenTier,
  type Operations,
} from '../../src/durable/index.ts'
import { connectPostgres, createLogger, type Sql } from '../../src/platform/index.ts'
import { type FreshDatabase, freshDatabase } from '../support/database.ts'
import type { Numbered } from '../support/group-worker.ts'
import { seeded } from '../support/seeded.ts'
import { until } from '../support/until.ts'
import { WorkerProcesses } from '../support/worker-processes.ts'

const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Date.now() % 1_000_000)
const total = Number(process.env['HOLDFAST_TEST_EVENTS'] ?? 100_000)
const channels = 120
const workers = 3
/** Small beside what is appended: much is trimmed before anybody has read it. */
const logSize = 200
const leaseMs = 2_000
/** Appended before anybody works. */
const before = 20_000
/** How far the appends then run ahead: by about what the logs keep, so that some is read there and some is trimmed. */
const ahead = 2_500
const mishaps = { flush: 20, kill: 14, freeze: 4, evict: 12 }
const groups = ['ordered', 'competing']
const limitMs = 300_000

type Mishap = keyof typeof mishaps

/**
 * The promise behind the log, with everything done to it at once: each event has its effect exactly once in each group,
 * and in the ordered one in the order of its channel. What happens, happens at random points of the work (not of time),
 * so that the machine's speed decides nothing.
 */
describe(`groups whose workers are killed and whose Redis is wiped (seed ${seed}, ${total} events)`, () => {
  let database: FreshDatabase
  let local: LocalRedis
  let redis: Redis
  let sql: Sql
  let tier: OpenTier
  let crew: WorkerProcesses
  let operations: Operations

  beforeAll(async () => {
    database = await freshDatabase(inject('postgresUrl'))
    sql = connectPostgres(database.url, { max: 3, applicationName: 'holdfast-test' })
    await sql.unsafe(
      `alter database ${new URL(database.url).pathname.slice(1)} set holdfast.partitions = '8'`,
    )
    await migrate(database.url)
    operations = createOperations(sql)
    await sql.unsafe(`
      create schema chaos;
      create table chaos.channels (channel text primary key, turn int not null default 0) with (fillfactor = 50);
      create table chaos.fixed (number int primary key);
      create table chaos.effects ("group" text, channel text, "offset" int, number int, turn int)`)
    local = await startLocalRedis({ server: inject('redisServer') })
    redis = new Redis(local.url)
    const logger = createLogger('silent')
    const ledger = await createPostgresLedger({
      url: database.url,
      poolSize: 2,
      lanes: 1,
      allowUnsafeFsync: false,
      logger,
    })
    tier = await createDurableTier({ ledger, redis: local.url, logger, mirror: { logSize } })
    crew = new WorkerProcesses({ databaseUrl: database.url, redisUrl: local.url, logSize, leaseMs })
  })
  afterAll(async () => {
    await Promise.all(crew.alive.map(worker => worker.kill()))
    redis.disconnect()
    await tier.close()
    await sql.end({ timeout: 1 })
    await local.stop()
    await database.drop()
  })

  it('have every effect exactly once, in order where order is promised', { timeout: limitMs }, async () => {
    const random = seeded(seed)
    const pick = <T>(of: readonly T[]) => of[Math.trunc(random() * of.length)] as T
    const names = Array.from({ length: channels }, (_, n) => `${n % 2 ? 'bulk' : 'order'}:${n}`)
    for (const name of names) await sql`insert into chaos.channels values (${name})`

    let appended = 0
    const appendUpTo = async (end: number) => {
      while (appended < end) {
        const numbers = Array.from({ length: Math.min(500, end - appended) }, () => ++appended)
        await Promise.all(
          numbers.map(number => {
            const chance = random()
            const mishap =
              chance < 0.002 ? 'retry' : chance < 0.004 ? 'throw' : chance < 0.0045 ? 'park' : undefined
            const data: Numbered = { number, ...(mishap && { mishap }) }
            return tier.append({ channel: pick(names), type: 'Numbered', data: JSON.stringify(data) })
          }),
        )
      }
    }
    /** Up to where all is settled, in events, per group. */
    const settled = async () => {
      const rows = await sql<{ group: string; settled: number }[]>`
        select "group", sum(position)::bigint as settled from holdfast.group_partitions group by 1`
      return groups.map(group => rows.find(row => row.group === group)?.settled ?? 0)
    }
    const redriveParked = async () => {
      const parked = await sql<{ id: number }[]>`
        with parked as (
          select d.id, (e.data::json ->> 'number')::int as number
          from holdfast.deliveries as d join holdfast.events as e using (partition, position)
          where d.state = 'parked'
        ), fixed as (
          insert into chaos.fixed select number from parked on conflict do nothing
        )
        select id from parked`
      if (parked.length > 0)
        await operations.deliveries.redrive({ ids: parked.map(row => row.id) }, { actor: 'the test' })
    }
    const thaws: Promise<void>[] = []
    const done: Record<Mishap, number> = { flush: 0, kill: 0, freeze: 0, evict: 0 }
    const happen: Record<Mishap, () => Promise<unknown>> = {
      flush: () => redis.flushall(),
      async kill() {
        await pick(crew.alive).kill()
        crew.start()
      },
      // Others are given its partitions, while it works on and does not know.
      async evict() {
        const members = await sql<{ member: string }[]>`
          select distinct member from holdfast.group_members order by member`
        if (members.length > 0)
          await sql`delete from holdfast.group_members where member = ${pick(members).member}`
      },
      async freeze() {
        const awake = await until('a worker is awake', () => {
          const some = crew.alive.filter(worker => !worker.frozen)
          return some.length > 0 ? some : undefined
        })
        thaws.push(pick(awake).freeze(leaseMs * 1.6))
      },
    }
    const plan = Object.entries(mishaps)
      .flatMap(([what, count]) =>
        Array.from({ length: count }, () => ({
          what: what as Mishap,
          at: (0.02 + 0.93 * random()) * 2 * total,
        })),
      )
      .sort((a, b) => a.at - b.at)

    await appendUpTo(before)
    const began = performance.now()
    for (let n = 0; n < workers; n++) crew.start()
    await until(
      'everything is settled',
      async () => {
        // The machine is needed for something else than being asked.
        await delay(100)
        const [ordered = 0, competing = 0] = await settled()
        while (plan[0] && plan[0].at <= ordered + competing) {
          const { what } = plan.shift() as (typeof plan)[number]
          await happen[what]()
          done[what]++
        }
        // Somebody has looked at what was set aside, and wants it tried again.
        await redriveParked()
        await appendUpTo(Math.min(total, Math.max(appended, Math.min(ordered, competing) + ahead)))
        const [open] = await sql<{ count: number }[]>`select count(*)::int as count from holdfast.deliveries`
        return ordered === total && competing === total && open?.count === 0
      },
      limitMs,
    )
    const seconds = (performance.now() - began) / 1_000
    await Promise.all(thaws)
    for (const worker of crew.alive) expect(await worker.stop()).toEqual({ code: 0, errors: '' })

    console.log(
      `groups-chaos: seed ${seed}: ${total} events through two groups in ${seconds.toFixed(1)} s, ` +
        `${Math.round((2 * total) / seconds)} effects per second; ${done.kill} workers killed, ${done.freeze} frozen for ` +
        `longer than their lease, ${done.evict} put out of their groups, Redis wiped ${done.flush} times; ` +
        `${crew.suppressed} duplicates suppressed`,
    )
    expect(done).toEqual(mishaps)
    expect(crew.deaths).toEqual([])
    expect(appended).toBe(total)
    const [numbers] = await sql`
      select count(*)::int as events, count(distinct data::json ->> 'number')::int as numbers from holdfast.events`
    expect(numbers).toEqual({ events: total, numbers: total })
    for (const group of groups) {
      const [effects] = await sql`
        select count(*)::int as effects, count(distinct number)::int as numbers, min(number) as first, max(number) as last
        from chaos.effects where "group" = ${group}`
      expect({ group, ...effects }).toEqual({ group, effects: total, numbers: total, first: 1, last: total })
      const [foreign] = await sql<{ count: number }[]>`
        select count(*)::int as count from chaos.effects as c
        where "group" = ${group} and not exists (
          select from holdfast.events as e
          where e.channel = c.channel and e."offset" = c."offset"
            and e.partition = any (array(select generate_series(0, 7)))
            and (e.data::json ->> 'number')::int = c.number)`
      expect({ group, foreign: foreign?.count }).toEqual({ group, foreign: 0 })
    }
    const disorder = await sql`
      select channel, "offset", turn from chaos.effects where "group" = 'ordered' and turn is distinct from "offset"
      order by channel, turn limit 5`
    expect([...disorder]).toEqual([])
    expect([...(await sql`select * from holdfast.group_settled limit 5`)]).toEqual([])
  })
})
