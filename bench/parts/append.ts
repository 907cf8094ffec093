import type { PostgresWriterHandlers } from '../baselines/postgres-writers.ts'
import type { AppendHandlers, FloodResult } from '../load/appends.ts'
import { median, percentiles } from '../load/latencies.ts'
import { higher, lower, type Row } from '../report/rows.ts'
import type { Remote } from '../stage/remote.ts'
import type { Bench, PartDefinition } from './part.ts'

const loneRounds = 6
const lonePerRound = 50
const floodRounds = 3
const unnestBatch = 500
/** More connections are not always faster on few cores: what stands beside us may choose. */
const connectionsToTry = { insert: [1, 8], unnest: [1, 2] } as const

/** From a client's command to the acknowledgement, beside the usual ways to write events without any server. */
export const append: PartDefinition = {
  name: 'append',
  title: 'Durable append, from socket to commit and back, beside bare ways into the same Postgres',
  async measure(bench) {
    const { stage } = bench
    const [nodes, postgres, redis] = await Promise.all([stage.nodes(2), stage.postgres(), stage.redis()])
    const load = await stage.remote<AppendHandlers>('load/appends.ts')
    const writers = await stage.remote<PostgresWriterHandlers>('baselines/postgres-writers.ts')
    await writers.call('prepare', { databaseUrl: postgres.url })
    const lone = await loneAppends(bench, load, writers, nodes[0]?.port ?? 0)
    const floods: FloodResult[] = []
    const inserts = new Map<number, number[]>(connectionsToTry.insert.map(count => [count, []]))
    const unnests = new Map<number, number[]>(connectionsToTry.unnest.map(count => [count, []]))
    const { seconds } = bench
    for (let round = 0; round < floodRounds; round++) {
      bench.say(`append: floods, round ${round + 1} of ${floodRounds}`)
      floods.push(
        await load.call('flood', {
          ports: nodes.map(node => node.port),
          connections: 16,
          inFlight: 64,
          channels: Array.from({ length: 32 }, (_, i) => `facts:flood-${i}`),
          seconds,
          processes: Object.fromEntries(nodes.map((node, i) => [`node${i}`, node.pid])),
        }),
      )
      for (const [connections, rates] of inserts) {
        rates.push(await writers.call('insertFlood', { seconds: seconds / 2, connections }))
      }
      for (const [connections, rates] of unnests) {
        rates.push(
          await writers.call('unnestFlood', { seconds: seconds / 2, connections, batch: unnestBatch }),
        )
      }
    }
    bench.say('append: the Redis list as a buffer')
    const list = await writers.call('listBuffer', { redisUrl: redis.url, seconds, lone: 6 })
    await Promise.all([load.stop(), writers.stop()])
    const rates = { insert: best(inserts), unnest: best(unnests), list: list.perSecond }
    return {
      rows: [...loneRows(lone, list.loneMs), ...floodRows(floods, rates)],
      details: {
        lone: mapValues(lone, percentiles),
        floods,
        inserts: Object.fromEntries(inserts),
        unnests: Object.fromEntries(unnests),
        list,
      },
      notes: [
        `insert: one row and one commit at a time, the better of ${connectionsToTry.insert.join(' and ')} connections; unnest: ${unnestBatch} rows a statement, the better of ${connectionsToTry.unnest.join(' and ')} connections`,
        'list: RPUSH, then LMPOP of 100 rows or every 500 ms into UNNEST',
      ],
    }
  },
}

interface Lone {
  readonly socket: number[]
  readonly http: number[]
  readonly insert: number[]
}

/** In turn, in short rounds: the disk has fast and slow moments, and they should fall on all. */
async function loneAppends(
  bench: Bench,
  load: Remote<AppendHandlers>,
  writers: Remote<PostgresWriterHandlers>,
  port: number,
): Promise<Lone> {
  const lone: Lone = { socket: [], http: [], insert: [] }
  bench.say('append: one at a time')
  const warm = { port, samples: lonePerRound }
  await load.call('aloneOverSocket', warm)
  await load.call('aloneOverHttp', warm)
  await writers.call('insertAlone', warm)
  for (let round = 0; round < loneRounds; round++) {
    lone.socket.push(...(await load.call('aloneOverSocket', { port, samples: lonePerRound })))
    lone.insert.push(...(await writers.call('insertAlone', { samples: lonePerRound })))
    lone.http.push(...(await load.call('aloneOverHttp', { port, samples: lonePerRound })))
  }
  return lone
}

function loneRows(lone: Lone, listMs: readonly number[]): Row[] {
  const [socket, http, insert] = [lone.socket, lone.http, lone.insert].map(percentiles)
  const others = { insert: insert?.p50, list: median(listMs) }
  return [
    {
      what: 'lone append over a socket, p50',
      unit: 'ms',
      holdfast: socket?.p50,
      others,
      ratio: {
        key: 'append.lone.socket',
        to: 'insert',
        value: lower(socket?.p50, insert?.p50),
        judged: true,
      },
      goal: { atMost: 5 },
    },
    {
      what: 'lone append over a socket, p99',
      unit: 'ms',
      holdfast: socket?.p99,
      others: { insert: insert?.p99 },
    },
    {
      what: 'lone append over HTTP, p50',
      unit: 'ms',
      holdfast: http?.p50,
      others,
      ratio: { key: 'append.lone.http', to: 'insert', value: lower(http?.p50, insert?.p50), judged: true },
    },
  ]
}

function floodRows(
  floods: readonly FloodResult[],
  rates: { insert: number; unnest: number; list: number },
): Row[] {
  const rate = median(floods.map(flood => flood.perSecond))
  const row = (to: keyof typeof rates, goal?: number): Row => ({
    what: `flooded append over sockets, to ${to}`,
    unit: 'events/s',
    holdfast: rate,
    others: { [to]: rates[to] },
    ratio: {
      key: `append.flood.${to}`,
      to,
      value: higher(rate, rates[to]),
      judged: true,
      ...(goal === undefined ? {} : { goal }),
    },
  })
  const cpu = (flood: FloodResult) =>
    Object.values(flood.cpuUs).reduce<number>((sum, us) => sum + (us ?? 0), 0)
  return [
    row('insert'),
    row('unnest', 0.6),
    row('list'),
    {
      what: 'acknowledgement under the flood, p50',
      unit: 'ms',
      holdfast: median(floods.map(f => f.latency.p50)),
      others: {},
    },
    {
      what: 'node CPU per flooded event',
      unit: 'µs',
      holdfast: median(floods.map(cpu)),
      others: { 'load side': median(floods.map(flood => flood.loadUs)) },
    },
  ]
}

function best(rates: ReadonlyMap<number, readonly number[]>): number {
  return Math.max(...[...rates.values()].map(median))
}

function mapValues<T, U>(
  values: Readonly<Record<string, T>> | Lone,
  map: (value: T) => U,
): Record<string, U> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, map(value as T)]))
}
