import { setTimeout as delay } from 'node:timers/promises'
import postgres from 'postgres'
import type { HandProjectorHandlers } from '../baselines/hand-projector.ts'
import type { LedgerFeedHandlers } from '../load/ledger-feed.ts'
import type { ProjectorHandlers } from '../load/projector.ts'
import { higher, lower } from '../report/rows.ts'
import { residentBytes } from '../stage/machine.ts'
import type { Remote } from '../stage/remote.ts'
import type { PartDefinition } from './part.ts'

const channels = 10_000
/** What goes on beside it. */
const perSecond = 200
const inFlight = 2_000
/** What a process may take more at its most than when it had just begun, however much there is to rebuild. */
const mayGrowMiB = 256
const name = 'bench_totals'
const lookMs = 200
const tellMs = 5_000

/**
 * A new version of a read model beside the running one, while appends go on; its process is killed in the middle. What it
 * may take in memory is asserted.
 */
export const rebuild: PartDefinition = {
  name: 'rebuild',
  title: 'Rebuild of a read model while the old version and the appends go on, beside a loop by hand',
  async measure({ stage, say, events }) {
    const [, database, redis] = await Promise.all([stage.nodes(1), stage.postgres(), stage.redis()])
    const sql = postgres(database.url, { max: 2, onnotice: () => undefined })
    const feed = await stage.remote<LedgerFeedHandlers>('load/ledger-feed.ts')
    let processes = 0
    let peak = 0
    const projector = async (versions: readonly number[]): Promise<Remote<ProjectorHandlers>> => {
      const remote = await stage.remote<ProjectorHandlers>('load/projector.ts')
      const services = { databaseUrl: database.url, redisUrl: redis.url }
      await remote.call('work', { ...services, name: `projector-${++processes}`, versions })
      return remote
    }
    try {
      await feed.call('open', { databaseUrl: database.url })
      say(`rebuild: appending ${events.toLocaleString('en')} events`)
      await feed.call('fill', { events, channels, inFlight })
      const before = await loneAppends(feed)

      const first = await projector([1])
      const began = residentBytes(first.pid) ?? 0
      const watch = (remote: Remote<ProjectorHandlers>) => {
        const timer = setInterval(() => {
          peak = Math.max(peak, residentBytes(remote.pid) ?? 0)
        }, lookMs)
        return () => clearInterval(timer)
      }
      const unwatchFirst = watch(first)
      const firstAt = performance.now()
      await followed(sql, 1, say)
      const firstSeconds = (performance.now() - firstAt) / 1_000

      await feed.call('steady', { perSecond, channels })
      let second = await projector([2])
      let unwatch = watch(second)
      const startedAt = performance.now()
      const places: number[] = []
      let killed = false
      await followed(sql, 2, say, async ({ done, total }) => {
        places.push(done)
        if (killed || done < total * 0.3) return
        killed = true
        say('rebuild: SIGKILL')
        unwatch()
        await second.stop()
        second = await projector([2])
        unwatch = watch(second)
      })
      const seconds = (performance.now() - startedAt) / 1_000
      const { appended, latencies } = await feed.call('stopSteady', undefined)
      unwatch()
      unwatchFirst()
      if (!killed) throw new Error('the rebuild was over before its process was killed: take more events')
      if (places.some((place, i) => place < (places[i - 1] ?? 0)))
        throw new Error('the rebuild went back after its process was killed')
      await expectFold(sql, appended)
      await first.stop()
      await second.stop()

      say('rebuild: by hand')
      const hand = await stage.remote<HandProjectorHandlers>('baselines/hand-projector.ts')
      const handSeconds = await hand.call('fill', { databaseUrl: database.url, partitions: 64 })
      await hand.stop()
      const grown = (peak - began) / 2 ** 20
      if (grown > mayGrowMiB)
        throw new Error(`a process has grown by ${Math.round(grown)} MiB: more than ${mayGrowMiB}`)
      const rate = { first: events / firstSeconds, ours: events / seconds, hand: appended / handSeconds }
      return {
        rows: [
          {
            what: `${events.toLocaleString('en')} events, the first build`,
            unit: 'events/s',
            holdfast: rate.first,
            others: { hand: rate.hand },
            ratio: { key: 'rebuild.first', to: 'hand', value: higher(rate.first, rate.hand), judged: true },
          },
          {
            what: 'beside it the next version, killed once',
            unit: 'events/s',
            holdfast: rate.ours,
            others: { hand: rate.hand },
            ratio: {
              key: 'rebuild.rate',
              to: 'hand',
              value: higher(rate.ours, rate.hand),
              judged: false,
            },
          },
          {
            what: `memory that a process grows by (at most ${mayGrowMiB})`,
            unit: 'MiB',
            holdfast: grown,
            others: {},
            goal: { atMost: mayGrowMiB },
          },
          {
            what: `append p50 meanwhile, ${perSecond} a second`,
            unit: 'ms',
            holdfast: latencies.p50,
            others: { 'without a rebuild': before },
            ratio: {
              key: 'rebuild.append',
              to: 'without a rebuild',
              value: lower(latencies.p50, before),
              judged: false,
            },
          },
        ],
        details: { events, seconds, handSeconds, peak, began, latencies },
        notes: [
          'the next version is built beside the running one and the appends, to the switch, and its process killed at 30 %; the first build and the loop by hand have the machine for themselves',
        ],
      }
    } finally {
      await sql.end({ timeout: 1 })
    }
  },
}

async function loneAppends(feed: Remote<LedgerFeedHandlers>): Promise<number> {
  await feed.call('steady', { perSecond, channels })
  await delay(2_000)
  return (await feed.call('stopSteady', undefined)).latencies.p50
}

interface Place {
  readonly done: number
  readonly total: number
}

/** Says how far a version is until readers see it. */
async function followed(
  sql: postgres.Sql,
  version: number,
  say: (line: string) => void,
  onPlace: (place: Place) => Promise<void> = async () => undefined,
): Promise<void> {
  const startedAt = performance.now()
  let told = startedAt
  for (;;) {
    const [row] = await sql<{ state: string; done: string | null; total: string }[]>`
      select b.state, (select sum(position) from holdfast.group_partitions where "group" = b."group") as done,
             (select sum(holdfast.partition_head(p)) from generate_series(0, 63) as p) as total
      from holdfast.projection_builds as b
      where b.projection = ${name} and b.version = ${version} order by b.id desc limit 1`
    const [done, total] = [Number(row?.done ?? 0), Number(row?.total ?? 0)]
    const now = performance.now()
    const seconds = (now - startedAt) / 1_000
    if (now - told > tellMs) {
      told = now
      const rate = done / seconds
      const left = rate > 0 ? Math.ceil((total - done) / rate) : 0
      say(
        `rebuild: version ${version}, ${done.toLocaleString('en')} of ${total.toLocaleString('en')}, ${Math.round(rate).toLocaleString('en')}/s, ${left} s left`,
      )
    }
    if (row?.state === 'active' && total > 0 && done >= total * 0.999) return
    if (row) await onPlace({ done, total })
    await delay(lookMs)
  }
}

/** Every event is in the read model once. */
async function expectFold(sql: postgres.Sql, events: number): Promise<void> {
  const limit = performance.now() + 30_000
  for (;;) {
    const [row] = await sql<{ orders: string }[]>`
      select sum((state->>'orders')::bigint) as orders from holdfast_projections.bench_totals_states`
    if (Number(row?.orders) === events) return
    if (performance.now() > limit) throw new Error(`the read model has ${row?.orders} of ${events} events`)
    await delay(lookMs)
  }
}
