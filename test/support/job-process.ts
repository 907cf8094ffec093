import { createDurableTier, createGroups, createPostgresLedger } from '../../src/durable/index.ts'
import { createJobs } from '../../src/durable/jobs/jobs.ts'
import { createLogger, parseConfig } from '../../src/platform/index.ts'

/** What a process is told on its command line. */
export interface JobProcessSetup {
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly rule: string
}

/*
 * A process that takes a rule's jobs and never ends one, made to be killed: it says so on standard output when it has
 * begun. Its groups do not work, so it matches no events.
 */
const setup = JSON.parse(process.argv[2] ?? '{}') as JobProcessSetup
const logger = createLogger('silent')
const ledger = await createPostgresLedger({
  url: setup.databaseUrl,
  poolSize: 2,
  lanes: 1,
  allowUnsafeFsync: false,
})
const tier = await createDurableTier({ ledger, redis: setup.redisUrl, nodeId: 'killed', logger })
const groups = createGroups({
  log: tier.log,
  url: setup.databaseUrl,
  leaseMs: 5_000,
  poolSize: 1,
  nodeName: 'killed',
  logger,
})
const jobs = createJobs({
  log: tier.log,
  groups,
  url: setup.databaseUrl,
  poolSize: 2,
  redis: setup.redisUrl,
  redisPrefix: 'holdfast',
  config: parseConfig({}).jobs,
  acts: { append: event => tier.append(event), publish: async () => undefined },
  nodeName: 'killed',
  logger,
  timings: { lockMs: 1_500, stalledMs: 500, overdueMs: 1_000 },
})
jobs.handler('hang', async (_, { tx }) => {
  await tx`insert into killed values ('never committed')`
  process.stdout.write('begun\n')
  await new Promise(() => {})
})
jobs.rule(setup.rule, { on: { channel: `${setup.rule}:*` }, handler: 'hang' })
await jobs.work()
