import { setTimeout as delay } from 'node:timers/promises'
import { migrate } from '../../src/durable/index.ts'
import { connectPostgres, type Sql } from '../../src/platform/index.ts'
import type { NaiveSinkHandlers, NaiveWay } from '../baselines/sink-naive.ts'
import type { SinkMode, SinkNodeHandlers } from '../baselines/sink-node.ts'
import { median } from '../load/latencies.ts'
import { higher, lower, type Row } from '../report/rows.ts'
import type { Stage } from '../stage/stage.ts'
import { TripCounter } from '../stage/trip-counter.ts'
import type { Bench, PartDefinition } from './part.ts'

type Way = NaiveWay | SinkMode
type Figures = Record<Way, number>

const ways: readonly Way[] = ['insert', 'list', 'ordered', 'competing']
const channels = 1_000
const rounds = 3
/** So many rows that each takes about a second or two. */
const rows: Figures = { insert: 2_000, list: 20_000, ordered: 20_000, competing: 20_000 }
const writers = { insert: 8, list: 1 }
const kills = 10
/** Enough that each life is killed in the middle of its work. */
const killedRows = { insert: 6_000, list: 100_000, ordered: 20_000 }
/** What has not come from a list in so long does not come. */
const standstillMs = 2_000
/** Far longer than a process that is gone keeps what it had. */
const giveUpMs = 120_000

/** From events to rows in a table, beside what people build by hand, and what a crash costs each. */
export const sink: PartDefinition = {
  name: 'sink',
  title: 'Rows from events: a batch sink, beside one INSERT per event and beside a list, LMPOP and a timer',
  async measure(bench) {
    const place = await prepare(bench.stage)
    try {
      const rates: Record<Way, number[]> = { insert: [], list: [], ordered: [], competing: [] }
      for (let round = 1; round <= rounds; round++) {
        for (const way of ways) {
          bench.say(`sink: ${way}, round ${round} of ${rounds}`)
          await fill(bench, place, way, rows[way])
          rates[way].push(await drain(bench, place, way, rows[way]))
        }
      }
      const perSecond = each(way => median(rates[way]))
      const trips = await tripsOf(bench, place)
      const fates = {
        insert: await fateOf(bench, place, 'insert'),
        list: await fateOf(bench, place, 'list'),
        ordered: await fateOf(bench, place, 'ordered'),
      }
      return {
        rows: rowsOf(perSecond, trips, fates),
        details: { rates, trips, fates },
        notes: [
          `insert: LPOP and one INSERT, ${writers.insert} at a time; list: LMPOP of 500 rows at once, or what has come in 100 ms, into UNNEST, one writer; both without the cost of a log that keeps what was not written`,
          'ordered and competing: the modes of a sink with its defaults, from the ledger and its mirror; the first is the one it has by itself. Each of its transactions also moves a checkpoint',
          `round trips to Postgres are counted on the wire, with everything that keeps a process in its group; kills: ${kills} SIGKILLs of a process at work, which is started anew`,
        ],
      }
    } finally {
      await place.sql.end({ timeout: 1 })
    }
  },
}

interface Place {
  readonly sql: Sql
  readonly databaseUrl: string
  readonly redisUrl: string
}

async function prepare(stage: Stage): Promise<Place> {
  const [postgres, redis] = await Promise.all([stage.postgres(), stage.redis()])
  const admin = connectPostgres(postgres.url, { max: 1, applicationName: 'bench' })
  await admin`drop database if exists bench_sink`
  await admin`create database bench_sink`
  await admin.end()
  const own = new URL(postgres.url)
  own.pathname = '/bench_sink'
  await migrate(own.href)
  const sql = connectPostgres(own.href, { max: 1, applicationName: 'bench', statementTimeoutMs: 60_000 })
  await sql`create schema bench`
  await sql`
    create table bench.readings (
      id uuid not null, channel text not null, n bigint not null, data text not null, at bigint not null)`
  return { sql, databaseUrl: own.href, redisUrl: redis.url }
}

function isNaive(way: Way): way is NaiveWay {
  return way === 'insert' || way === 'list'
}

/** Events for one way; the two modes of a sink are two groups, and each has all that was ever recorded. */
async function fill(
  { stage }: Bench,
  { databaseUrl, redisUrl }: Place,
  way: Way,
  count: number,
): Promise<void> {
  if (way === 'competing') return
  if (isNaive(way)) {
    const process = await stage.remote<NaiveSinkHandlers>('baselines/sink-naive.ts')
    await process.call('open', { databaseUrl, redisUrl })
    await process.call('fill', { count, channels })
    await process.stop()
    return
  }
  const process = await stage.remote<SinkNodeHandlers>('baselines/sink-node.ts')
  await process.call('fill', { databaseUrl, redisUrl, count, channels })
  await process.stop()
}

/** Has a process of its own write what there is; returns rows per second. */
async function drain(bench: Bench, place: Place, way: Way, count: number): Promise<number> {
  const { done, stop } = await writer(bench, place, way, count)
  const rate = await done
  await stop()
  return rate
}

async function writer({ stage }: Bench, { databaseUrl, redisUrl }: Place, way: Way, count: number) {
  if (isNaive(way)) {
    const process = await stage.remote<NaiveSinkHandlers>('baselines/sink-naive.ts')
    await process.call('open', { databaseUrl, redisUrl })
    const done = process.call('drain', { way, count, writers: writers[way] })
    return { done, stop: () => process.stop() }
  }
  const process = await stage.remote<SinkNodeHandlers>('baselines/sink-node.ts')
  const done = process.call('drain', { databaseUrl, redisUrl, mode: way, count })
  return { done, stop: () => process.stop() }
}

/** Round trips to Postgres per 1,000 rows. */
async function tripsOf(bench: Bench, place: Place): Promise<Figures> {
  const found = each(() => 0)
  for (const way of ways) {
    bench.say(`sink: ${way}, round trips`)
    await fill(bench, place, way, rows[way])
    await using counter = await TripCounter.before(place.databaseUrl)
    await drain(bench, { ...place, databaseUrl: counter.url }, way, rows[way])
    found[way] = (counter.trips * 1_000) / rows[way]
  }
  return found
}

interface Fate {
  readonly lost: number
  readonly twice: number
}

/** What becomes of rows when the process that writes them is killed again and again. */
async function fateOf(bench: Bench, place: Place, way: keyof typeof killedRows): Promise<Fate> {
  bench.say(`sink: ${way}, ${kills} SIGKILLs`)
  const count = killedRows[way]
  await fill(bench, place, way, count)
  await place.sql`truncate bench.readings`
  for (let kill = 0; kill < kills; kill++) {
    const { done, stop } = await writer(bench, place, way, Number.MAX_SAFE_INTEGER)
    done.catch(() => undefined)
    const before = await written(place)
    // In the middle: after the first of its rows, and before it can have written all.
    const after = Math.trunc((count / kills) * (0.2 + 0.6 * Math.random()))
    while ((await written(place)) < before + after) await delay(3)
    await stop()
  }
  const last = await writer(bench, place, way, Number.MAX_SAFE_INTEGER)
  last.done.catch(() => undefined)
  await atAnEnd(place, way)
  await last.stop()
  const [row] = await place.sql<{ rows: number; ids: number }[]>`
    select count(*)::int as rows, count(distinct id)::int as ids from bench.readings`
  const { rows: all = 0, ids = 0 } = row ?? {}
  return { lost: count - ids, twice: all - ids }
}

async function written({ sql }: Place): Promise<number> {
  const [row] = await sql<{ count: number }[]>`select count(*)::int as count from bench.readings`
  return row?.count ?? 0
}

/** A list is empty when nothing more comes; a sink says itself how far it is. */
async function atAnEnd(place: Place, way: Way): Promise<void> {
  let last = -1
  const startedAt = performance.now()
  for (let since = startedAt; performance.now() - startedAt < giveUpMs; await delay(50)) {
    const now = isNaive(way) ? await written(place) : await behind(place, way)
    if (now !== last) since = performance.now()
    last = now
    if (isNaive(way) ? performance.now() - since > standstillMs : now === 0) return
  }
}

/** Events that a sink has not settled. */
async function behind({ sql }: Place, mode: SinkMode): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select sum(holdfast.partition_head(partition) - position)::int as count
    from holdfast.group_partitions where "group" = ${mode}`
  return row?.count ?? -1
}

function each(of: (way: Way) => number): Figures {
  return { insert: of('insert'), list: of('list'), ordered: of('ordered'), competing: of('competing') }
}

type Fates = Readonly<Record<keyof typeof killedRows, Fate>>

function rowsOf(perSecond: Figures, trips: Figures, fates: Fates): Row[] {
  const { ordered, ...others } = perSecond
  const against = (to: 'insert' | 'list'): Row => ({
    what: `rows written, to ${to}`,
    unit: 'rows/s',
    holdfast: ordered,
    others: to === 'insert' ? others : { list: others.list },
    ratio: { key: `sink.rate.${to}`, to, value: higher(ordered, perSecond[to]), judged: to === 'insert' },
  })
  const { ordered: _, ...otherTrips } = trips
  return [
    against('insert'),
    against('list'),
    {
      what: 'round trips to Postgres per 1,000 rows',
      unit: '',
      holdfast: trips.ordered,
      others: otherTrips,
      ratio: {
        key: 'sink.trips.insert',
        to: 'insert',
        value: lower(trips.ordered, trips.insert),
        judged: true,
      },
    },
    fateRow(`rows lost over ${kills} SIGKILLs`, fates, ({ lost }) => lost),
    fateRow('rows written twice', fates, ({ twice }) => twice),
  ]
}

function fateRow(what: string, { ordered, insert, list }: Fates, of: (fate: Fate) => number): Row {
  const others = { insert: of(insert), list: of(list) }
  return { what, unit: 'rows', holdfast: of(ordered), others, goal: { atMost: 0 } }
}
