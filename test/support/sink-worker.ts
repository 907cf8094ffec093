import { bigint, integer, pgTable, text } from 'drizzle-orm/pg-core'
import { createHoldfast } from '../../src/app/index.ts'

/** What the process is told on its command line. */
export interface SinkWorkerSetup {
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly prefix: string
}

/*
 * A process with a sink of each mode, made to be killed. The tables have no keys: whatever is written twice is there twice.
 */
const { databaseUrl, redisUrl, prefix } = JSON.parse(process.argv[2] ?? '{}') as SinkWorkerSetup
const hf = await createHoldfast({
  redis: { url: redisUrl, prefix },
  postgres: { url: databaseUrl, poolSize: 2 },
  namespaces: { reading: { tier: 'durable' } },
  workers: { leaseMs: 1_000, poolSize: 4 },
  log: { level: process.env['HOLDFAST_TEST_LOG'] === 'debug' ? 'debug' : 'silent' },
})
for (const mode of ['ordered', 'competing'] as const) {
  hf.batchSink(mode, {
    mode,
    channels: 'reading:{sensor}',
    table: pgTable(`by_${mode}`, { sensor: text(), n: integer(), at: bigint({ mode: 'number' }) }),
    row: ({ params, offset, time }) => ({ sensor: params.sensor, n: offset, at: time }),
    maxRows: 200,
    maxDelayMs: 20,
  })
}
await hf.work()
