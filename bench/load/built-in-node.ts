// A process with a built-in read model, or none: an application with Holdfast as its library.
import { setTimeout as delay } from 'node:timers/promises'
import { type ConfigInput, createHoldfast } from '../../src/app/index.ts'
import { connectPostgres } from '../../src/platform/index.ts'
import { answer } from '../stage/remote.ts'
import { eventData } from './event-data.ts'
import { inGroups } from './groups.ts'

export type Watched = 'nothing' | 'activity' | 'sampled' | 'deliveries'

const channels = ['facts:*']
const projections: Record<Watched, NonNullable<ConfigInput['projections']>> = {
  nothing: {},
  activity: { channelActivity: { channels } },
  sampled: { deliveries: { channels, sample: 0.1 } },
  deliveries: { deliveries: { channels } },
}

export interface Cost {
  /** Appends in a second, from the first to the last acknowledgement. */
  readonly perSecond: number
  /** Of write-ahead log, until the read model has everything, and nobody owes anything. */
  readonly bytesPerEvent: number
  /** From the last acknowledgement until then. */
  readonly behindMs: number
}

interface Options {
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly watched: Watched
  readonly count: number
}

/** Appends so many events, as a group of the application handles them, and says what they cost. */
async function run({ databaseUrl, redisUrl, watched, count }: Options): Promise<Cost> {
  const sql = connectPostgres(databaseUrl, { max: 1, applicationName: 'bench' })
  const hf = await createHoldfast({
    redis: { url: redisUrl, prefix: `built-in-${watched}` },
    postgres: { url: databaseUrl },
    namespaces: { facts: { tier: 'durable' } },
    projections: projections[watched],
    log: { level: 'warn' },
  })
  let handled = 0
  hf.group('work', { batchSize: 500 }).onBatch('facts:{id}', '*', (events, { afterCommit }) => {
    afterCommit(() => {
      handled += events.length
    })
  })
  await hf.work()
  const position = async () => {
    const [row] = await sql<{ at: number }[]>`
      select (pg_current_wal_insert_lsn() - '0/0')::bigint as at`
    return row?.at ?? 0
  }
  const before = await position()
  const startedAt = performance.now()
  await inGroups(count, 1_000, async n => {
    await hf.append(`facts:${n % 200}`, 'OrderPlaced', JSON.parse(eventData(n)))
  })
  const appendedAt = performance.now()
  const seen = async () => {
    if (watched === 'nothing') return true
    if (watched === 'activity') {
      const [row] = await sql<{ n: number }[]>`
        select coalesce(sum(events), 0)::bigint as n from holdfast_projections.channel_activity_channels`
      const [all] = await sql<{ n: number }[]>`select count(*) as n from holdfast.events`
      return row?.n === all?.n
    }
    const [row] = await sql<{ open: number }[]>`
      select (select count(*) from holdfast_projections.deliveries_events where open)
             + (select count(*) from holdfast.group_partitions as p
                join lateral (select max(position) as head from holdfast.events as e where e.partition = p.partition) as h
                  on h.head > p.position
                where starts_with(p."group", 'holdfast.projection-')) as open`
    return row?.open === 0
  }
  while (handled < count || !(await seen())) await delay(20)
  const doneAt = performance.now()
  const cost = {
    perSecond: (count * 1_000) / (appendedAt - startedAt),
    bytesPerEvent: ((await position()) - before) / count,
    behindMs: doneAt - appendedAt,
  }
  await hf.close()
  await sql.end({ timeout: 1 })
  return cost
}

const handlers = { run }
export type BuiltInHandlers = typeof handlers
answer(handlers)
