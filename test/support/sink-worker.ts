import { bigint, integer, pgTable, text } from 'drizzle-orm/pg-core'
// Not through the room's door: it would load everything, and these processes are started again and again.
import { createDurableTier } from '../../src/durable/durable-tier.ts'
import { createGroups } from '../../src/durable/groups/groups.ts'
import { createPostgresLedger } from '../../src/durable/ledger/postgres-ledger.ts'
import { createLogger } from '../../src/platform/index.ts'
import { declareBatchSink } from '../../src/projections/sink/batch-sink.ts'

/** What the process is told on its command line. */
export interface SinkWorkerSetup {
  readonly databaseUrl: string
  readonly redisUrl: string
}

/*
 * A process with a sink of each mode, made to be killed. The tables have no keys: whatever is written twice is there twice.
 */
const { databaseUrl: url, redisUrl: redis } = JSON.parse(process.argv[2] ?? '{}') as SinkWorkerSetup
const logger = createLogger(process.env['HOLDFAST_TEST_LOG'] ?? 'silent')
const ledger = await createPostgresLedger({ url, poolSize: 2, lanes: 1, allowUnsafeFsync: false, logger })
const tier = await createDurableTier({ ledger, redis, logger })
const groups = createGroups({ log: tier.log, url, leaseMs: 1_000, poolSize: 4, nodeName: 'sink', logger })
for (const mode of ['ordered', 'competing'] as const) {
  declareBatchSink(groups, mode, {
    mode,
    channels: 'reading:{sensor}',
    table: pgTable(`by_${mode}`, { sensor: text(), n: integer(), at: bigint({ mode: 'number' }) }),
    row: ({ params, offset, time }) => ({ sensor: params.sensor, n: offset, at: time }),
    maxRows: 200,
    maxDelayMs: 20,
  })
}
await groups.work()
