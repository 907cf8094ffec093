// Not through the room's door: it would load everything, and these processes are started again and again.
import { createDurableTier } from '../../src/durable/durable-tier.ts'
import { createGroups } from '../../src/durable/groups/groups.ts'
import { park, retry } from '../../src/durable/groups/outcome.ts'
import type { BatchHandler, Handler, HandlerContext } from '../../src/durable/groups/types.ts'
import { intArray, textArray } from '../../src/durable/ledger/array-literal.ts'
import { createPostgresLedger } from '../../src/durable/ledger/postgres-ledger.ts'
import { createLogger } from '../../src/platform/index.ts'

/** What a worker process is told on its command line. */
export interface WorkerSetup {
  readonly name: string
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly logSize: number
  readonly leaseMs: number
}

/** An event's data: its number among all, and what its handler does the first time; it parks until `chaos.fixed` has the number. */
export interface Numbered {
  readonly number: number
  readonly mishap?: 'retry' | 'throw' | 'park'
}

/** What it prints, one line each, a few times a second. */
export interface WorkerReport {
  readonly suppressed: number
}

/*
 * A process that works for an ordered and a competing group, made to be killed; some channels' events are handled one by
 * one, the others' in batches. Every event has one effect per group: a
 * row in a table that takes duplicates. `turn` is the number of the ordered group's effect in its channel, counted in the
 * transaction of the effect: the counter's row is locked until the commit, so the numbers are the order of the commits.
 */
const setup = JSON.parse(process.argv[2] ?? '{}') as WorkerSetup
const logger = createLogger(process.env['HOLDFAST_TEST_LOG'] ?? 'silent')
const ledger = await createPostgresLedger({
  url: setup.databaseUrl,
  poolSize: 3,
  lanes: 1,
  allowUnsafeFsync: false,
  logger,
})
const tier = await createDurableTier({
  ledger,
  redis: setup.redisUrl,
  nodeId: setup.name,
  logger,
  mirror: { logSize: setup.logSize },
})
const groups = createGroups({
  log: tier.log,
  url: setup.databaseUrl,
  leaseMs: setup.leaseMs,
  poolSize: 4,
  nodeName: setup.name,
  logger,
})

const effects: Record<'ordered' | 'competing', Handler> = {
  async ordered({ channel, offset, data }, { tx }) {
    await tx`
      with counted as (update chaos.channels set turn = turn + 1 where channel = ${channel} returning turn)
      insert into chaos.effects ("group", channel, "offset", number, turn)
      select 'ordered', ${channel}, ${offset}, ${(data as Numbered).number}, turn from counted`
  },
  async competing({ channel, offset, data }, { tx }) {
    await tx`
      insert into chaos.effects ("group", channel, "offset", number)
      values ('competing', ${channel}, ${offset}, ${(data as Numbered).number})`
  },
}

/** The same for all events of a batch, with one statement. */
const effectsAtOnce: Record<'ordered' | 'competing', BatchHandler> = {
  async ordered(events, { tx }) {
    await tx`
      with given as (
        select channel, "offset", number, row_number() over (partition by channel order by n) as nth,
               count(*) over (partition by channel) as many
        from unnest(${textArray(events, ({ channel }) => channel)}::text[], ${intArray(events, ({ offset }) => offset)}::int[],
                    ${intArray(events, ({ data }) => (data as Numbered).number)}::int[])
             with ordinality as g (channel, "offset", number, n)
      ), counted as (
        update chaos.channels as c set turn = c.turn + g.many
        from (select distinct channel, many from given) as g where c.channel = g.channel
        returning c.channel, c.turn
      )
      insert into chaos.effects ("group", channel, "offset", number, turn)
      select 'ordered', channel, "offset", number, turn - many + nth from given join counted using (channel)`
  },
  async competing(events, { tx }) {
    await tx`
      insert into chaos.effects ("group", channel, "offset", number)
      select 'competing', * from unnest(
        ${textArray(events, ({ channel }) => channel)}::text[], ${intArray(events, ({ offset }) => offset)}::int[],
        ${intArray(events, ({ data }) => (data as Numbered).number)}::int[])`
  },
}

/** How an event ends. Called after its effect: what was written has to be taken back with it. */
async function endOf({ number, mishap }: Numbered, { tx, attempt }: HandlerContext) {
  if (mishap === 'park') {
    const [fixed] = await tx`select from chaos.fixed where number = ${number}`
    return fixed ? undefined : park('asked for by the test')
  }
  if (attempt > 1 || mishap === undefined) return
  if (mishap === 'retry') return retry(100, 'asked for by the test')
  throw new Error('thrown by the test')
}

for (const mode of ['ordered', 'competing'] as const) {
  groups
    .group(mode, {
      mode,
      batchSize: 50,
      concurrency: 4,
      maxAttempts: 1_000,
      retryMs: { first: 50, most: 500 },
      handlerTimeoutMs: 5_000,
    })
    .on('order:{id}', '*', async (event, context) => {
      await effects[mode](event, context)
      return endOf(event.data as Numbered, context)
    })
    .onBatch('bulk:{id}', '*', async (events, context) => {
      await effectsAtOnce[mode](events, context)
      for (const { data } of events) {
        const end = await endOf(data as Numbered, context)
        if (end) return end
      }
    })
}
const report = () => {
  const suppressed = groups.status().reduce((sum, group) => sum + group.suppressed, 0)
  process.stdout.write(`${JSON.stringify({ suppressed } satisfies WorkerReport)}\n`)
}
process.once('SIGTERM', async () => {
  await groups.close(5_000)
  report()
  await tier.close()
})
await groups.work()
setInterval(report, 200).unref()
