// A process that works on projections, and one that does the same by hand.
import { createDurableTier, createGroups, createPostgresLedger } from '../../src/durable/index.ts'
import { createLogger } from '../../src/platform/index.ts'
import { defineReducer, ProjectionRunner } from '../../src/projections/index.ts'
import { answer } from '../stage/remote.ts'

interface Totals {
  readonly orders: number
  readonly amount: number
}

const totals = (version: number) =>
  defineReducer<Totals>({
    name: 'bench_totals',
    version,
    channels: 'facts:*',
    types: 'OrderPaid',
    initial: () => ({ orders: 0, amount: 0 }),
    evolve: ({ orders, amount }, { data }) => ({
      orders: orders + 1,
      amount: amount + (data as { amount: number }).amount * version,
    }),
  })

/** Begins to work on the versions; goes on until the process is killed. */
async function work({
  databaseUrl: url,
  redisUrl,
  name,
  versions,
}: {
  databaseUrl: string
  redisUrl: string
  name: string
  versions: readonly number[]
}): Promise<void> {
  const logger = createLogger('warn')
  const ledger = await createPostgresLedger({ url, poolSize: 2, lanes: 1, allowUnsafeFsync: true, logger })
  const tier = await createDurableTier({ ledger, redis: redisUrl, nodeId: name, logger })
  const runner = new ProjectionRunner({
    url,
    groups: createGroups({
      log: tier.log,
      url,
      leaseMs: 2_000,
      poolSize: 4,
      orm: true,
      nodeName: name,
      logger,
    }),
    hooks: { changed: async () => undefined, switched: async () => undefined },
    nodeName: name,
    logger,
  })
  for (const version of versions) runner.declare(totals(version) as never)
  await runner.work()
}

const handlers = { work }
export type ProjectorHandlers = typeof handlers
answer(handlers)
