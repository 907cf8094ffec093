// Not through the room's door: it would load everything, and these processes are started again and again.
import { createDurableTier } from '../../src/durable/durable-tier.ts'
import { createGroups } from '../../src/durable/groups/groups.ts'
import { createPostgresLedger } from '../../src/durable/ledger/postgres-ledger.ts'
import { createLogger } from '../../src/platform/index.ts'
import { ProjectionRunner } from '../../src/projections/runner.ts'
import { chains, kinds, sums } from './projection-models.ts'

/** What a process is told on its command line. */
export interface ProjectionWorkerSetup {
  readonly name: string
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly versions: readonly number[]
  readonly batchSize?: number
}

/* A process that works on projections in the versions it is told, made to be killed. */
const setup = JSON.parse(process.argv[2] ?? '{}') as ProjectionWorkerSetup
const logger = createLogger(process.env['HOLDFAST_TEST_LOG'] ?? 'silent')
const { databaseUrl: url, name } = setup
const ledger = await createPostgresLedger({ url, poolSize: 2, lanes: 1, allowUnsafeFsync: false, logger })
const tier = await createDurableTier({ ledger, redis: setup.redisUrl, nodeId: name, logger })
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
for (const version of setup.versions)
  for (const model of [chains(version), kinds(version), sums(version)]) runner.declare(model as never)
await runner.work()
console.log('working')
process.once('SIGTERM', async () => {
  await runner.close(2_000)
  await tier.close()
  process.exit(0)
})
