import { Redis } from 'ioredis'
import postgres from 'postgres'
import type { NaiveHandlers } from '../baselines/naive-server.ts'
import type { AppendHandlers } from '../load/appends.ts'
import { median } from '../load/latencies.ts'
import type { ReplayHandlers, ReplayRequest } from '../load/replays.ts'
import { higher, type Row } from '../report/rows.ts'
import type { PartDefinition } from './part.ts'

const events = 10_000
const rounds = 5
/** A node hands a page on for five seconds after it has read it; what is measured is the reading. */
const pageLifeMs = 5_500
/** So each round has a channel that this node has not read before; the first is for warming up. */
const channels = Array.from({ length: rounds + 1 }, (_, round) => `facts:replayed-${round}`)
const list = 'bench:replayed'
const table = 'bench_replayed'

/** A late joiner who wants everything: from Redis while it is hot, from the ledger after Redis has been wiped. */
export const replay: PartDefinition = {
  name: 'replay',
  title: `Replay of ${events.toLocaleString('en')} events to one socket, beside reading, parsing and writing each again`,
  async measure({ stage, say }) {
    const [[node], database, redisServer] = await Promise.all([
      stage.nodes(2),
      stage.postgres(),
      stage.redis(),
    ])
    const port = node?.port ?? 0
    const load = await stage.remote<ReplayHandlers>('load/replays.ts')
    const naive = await stage.remote<NaiveHandlers>('baselines/naive-server.ts')
    const naivePort = await naive.call('start', { redisUrl: redisServer.url })
    const sql = postgres(database.url, { max: 1, onnotice: () => undefined })
    const redis = new Redis(redisServer.url)
    try {
      say('replay: appending')
      const appends = await stage.remote<AppendHandlers>('load/appends.ts')
      for (const channel of channels) {
        const flood = {
          ports: [port],
          connections: 4,
          inFlight: 64,
          channels: [channel],
          events,
          processes: {},
        }
        await appends.call('flood', flood)
      }
      await appends.stop()
      await copyForNaive(sql, redis)
      const ours = (round: number): ReplayRequest => ({
        dialect: 'holdfast',
        port,
        request: `{"id":2,"subscribe":{"channel":"${channels[round]}","recover":true,"offset":0}}`,
        mark: '"tags":{"id":',
        last: `"offset":${events},`,
        events,
      })
      const rates = {
        hot: [] as number[],
        cold: [] as number[],
        naiveHot: [] as number[],
        naiveCold: [] as number[],
      }
      const measured = async (into: number[], request: ReplayRequest) => {
        into.push(events / (await load.call('replay', request)))
      }
      await load.call('replay', ours(0))
      for (let round = 0; round < rounds; round++) {
        say(`replay: hot, round ${round + 1} of ${rounds}`)
        await measured(rates.hot, ours(round + 1))
        await measured(rates.naiveHot, naiveRequest('redis', naivePort, database.url))
      }
      await new Promise(resolve => setTimeout(resolve, pageLifeMs))
      for (let round = 0; round < rounds; round++) {
        say(`replay: cold, round ${round + 1} of ${rounds}`)
        await redis.flushall()
        await measured(rates.cold, ours(round + 1))
        await measured(rates.naiveCold, naiveRequest('postgres', naivePort, database.url))
      }
      await Promise.all([load.stop(), naive.stop()])
      return {
        rows: [
          row('hot', 'from Redis', rates.hot, rates.naiveHot, 100_000),
          row('cold', 'from the ledger', rates.cold, rates.naiveCold, 50_000),
        ],
        details: rates,
        notes: ['cold: after FLUSHALL, while the mirror is being filled again'],
      }
    } finally {
      redis.disconnect()
      await sql.end({ timeout: 1 })
    }
  },
}

function row(
  key: string,
  from: string,
  ours: readonly number[],
  theirs: readonly number[],
  goal: number,
): Row {
  const [our, their] = [median(ours), median(theirs)]
  return {
    what: `${key}, ${from}`,
    unit: 'events/s',
    holdfast: our,
    others: { naive: their },
    ratio: { key: `replay.${key}`, to: 'naive', value: higher(our, their), judged: true },
    goal: { atLeast: goal },
  }
}

/** The same events in a Redis list and in a table with the one index that a replay needs. */
async function copyForNaive(sql: postgres.Sql, redis: Redis): Promise<void> {
  await sql`drop table if exists ${sql(table)}`
  await sql`create table ${sql(table)} as select * from holdfast.events where channel = ${channels[0] ?? ''}`
  await sql`create unique index on ${sql(table)} ("offset")`
  const rows = await sql`select channel, "offset", id, type, data, time from ${sql(table)} order by "offset"`
  if (rows.length !== events) throw new Error(`${rows.length} events in the ledger, ${events} were appended`)
  const texts = rows.map(event => JSON.stringify({ ...event, data: JSON.parse(event.data) }))
  for (let at = 0; at < texts.length; at += 1_000) await redis.rpush(list, ...texts.slice(at, at + 1_000))
}

function naiveRequest(from: 'redis' | 'postgres', port: number, databaseUrl: string): ReplayRequest {
  const source = from === 'redis' ? list : table
  return {
    dialect: 'naive',
    port,
    request: JSON.stringify({ type: 'replay', from, source, databaseUrl }),
    mark: '{"type":"event"',
    last: `"offset":"${events}",`,
    events,
  }
}
