import { migrate } from '../../src/durable/index.ts'
import { connectPostgres } from '../../src/platform/index.ts'
import type { BuiltInHandlers, Cost, Watched } from '../load/built-in-node.ts'
import { median } from '../load/latencies.ts'
import { higher, lower, type Row } from '../report/rows.ts'
import type { PartDefinition } from './part.ts'

const all: readonly Watched[] = ['nothing', 'activity', 'sampled', 'deliveries']
const rounds = 3
const count = 20_000
/** The first round of each makes tables and plans. */
const warmUp = 2_000

/** What the built-in read models cost those who append. */
export const deliveries: PartDefinition = {
  name: 'deliveries',
  title: 'Appending and handling events, beside the same with a built-in read model that follows them',
  async measure({ stage, say }) {
    const [postgres, redis] = await Promise.all([stage.postgres(), stage.redis()])
    const costs: Record<Watched, Cost[]> = { nothing: [], activity: [], sampled: [], deliveries: [] }
    const remotes = new Map<Watched, (many: number) => Promise<Cost>>()
    for (const watched of all) {
      const databaseUrl = await ownDatabase(postgres.url, `bench_deliveries_${watched}`)
      const remote = await stage.remote<BuiltInHandlers>('load/built-in-node.ts')
      const run = (many: number) =>
        remote.call('run', { databaseUrl, redisUrl: redis.url, watched, count: many })
      await run(warmUp)
      remotes.set(watched, run)
    }
    for (let round = 1; round <= rounds; round++) {
      for (const [watched, run] of remotes) {
        say(`deliveries: ${watched}, round ${round} of ${rounds}`)
        costs[watched].push(await run(count))
      }
    }
    return {
      rows: rowsOf(costs),
      details: costs,
      notes: [
        'nothing: 20,000 events appended by one process that also handles them in a group; activity: with channel_activity; sampled: deliveries with a tenth of the events; deliveries: with all of them',
        'write-ahead log: all that Postgres wrote until the read model had everything and nobody owed anything',
      ],
    }
  },
}

function rowsOf(costs: Readonly<Record<Watched, readonly Cost[]>>): Row[] {
  const of = (watched: Watched, key: keyof Cost) => median(costs[watched].map(cost => cost[key]))
  return all.slice(1).flatMap((watched): Row[] => [
    {
      what: `appends, with ${watched}`,
      unit: 'events/s',
      holdfast: of(watched, 'perSecond'),
      others: { nothing: of('nothing', 'perSecond') },
      ratio: {
        key: `deliveries.${watched}.appends`,
        to: 'nothing',
        value: higher(of(watched, 'perSecond'), of('nothing', 'perSecond')),
        judged: true,
      },
    },
    {
      what: `write-ahead log, with ${watched}`,
      unit: 'bytes/event',
      holdfast: of(watched, 'bytesPerEvent'),
      others: { nothing: of('nothing', 'bytesPerEvent') },
      ratio: {
        key: `deliveries.${watched}.wal`,
        to: 'nothing',
        value: lower(of(watched, 'bytesPerEvent'), of('nothing', 'bytesPerEvent')),
        judged: true,
      },
    },
    {
      what: `until all is there, with ${watched}`,
      unit: 'ms',
      holdfast: of(watched, 'behindMs'),
      others: { nothing: of('nothing', 'behindMs') },
    },
  ])
}

async function ownDatabase(serverUrl: string, name: string): Promise<string> {
  const admin = connectPostgres(serverUrl, { max: 1, applicationName: 'bench' })
  await admin.unsafe(`drop database if exists ${name}`)
  await admin.unsafe(`create database ${name}`)
  await admin.end()
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  await migrate(url.href)
  return url.href
}
