import { randomBytes } from 'node:crypto'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { newEventId } from '../../src/domain/index.ts'
import { createDurableTier, createGroups, type OpenTier } from '../../src/durable/index.ts'
import { createJobs } from '../../src/durable/jobs/jobs.ts'
import type { Jobs, JobsOptions } from '../../src/durable/jobs/types.ts'
import { createLogger, type JobsConfig, parseConfig, type Sql } from '../../src/platform/index.ts'
import { testLedger } from './ledger.ts'
import { type OwnServer, ownRedis } from './own-servers.ts'
import { until } from './until.ts'

/** One process's jobs, with everything they stand on. */
export interface StageNode {
  readonly jobs: Jobs
  readonly tier: OpenTier
  /** What its schedules have published. */
  readonly published: { channel: string; data: string }[]
  work(): Promise<void>
  close(withinMs?: number): Promise<void>
}

export interface DeliveryRow {
  readonly id: number
  readonly consumer: string
  readonly eventId: string
  readonly state: string
  readonly attempts: number
  readonly reason: string | null
  readonly due: number
}

/** A database, a Redis of its own, and as many processes with jobs as a test wants. */
export interface JobsStage {
  readonly sql: Sql
  readonly redis: OwnServer
  /** A connection of the test's own. */
  readonly client: Redis
  /** Of the database, for a role that may what a serving node may. */
  readonly url: string
  /** Makes a table that handlers may write into. */
  table(definition: string): Promise<void>
  /** Returns the event's id. */
  append(channel: string, type: string, data: unknown): Promise<string>
  deliveries(rule: string): Promise<DeliveryRow[]>
  /** Waits until a rule has so many deliveries in a state. */
  settled(rule: string, state: string, count?: number): Promise<DeliveryRow[]>
  /** A rule's queue in Redis, as anybody would see it. */
  queue(rule: string): Promise<Queue>
  node(options?: Partial<Omit<JobsOptions, 'config'>> & { config?: Partial<JobsConfig> }): Promise<StageNode>
  close(): Promise<void>
}

/** Short enough for a test to wait for. */
const timings = { lockMs: 1_500, stalledMs: 500, overdueMs: 1_000 }

export async function jobsStage(): Promise<JobsStage> {
  const [database, redis] = await Promise.all([testLedger(), ownRedis()])
  const client = new Redis(redis.url)
  client.on('error', () => undefined)
  const [writer] = database.ledgers
  // Processes may do what a serving node may, and no more.
  const login = `jobs_${randomBytes(6).toString('hex')}`
  await database.sql.unsafe(`create role ${login} login password 'secret' in role holdfast_runtime`)
  const runtime = new URL(database.url)
  runtime.username = login
  runtime.password = 'secret'
  const nodes: StageNode[] = []
  const queues: Queue[] = []
  const logger = createLogger(process.env['HOLDFAST_TEST_LOG'] ?? 'silent')

  const node: JobsStage['node'] = async ({ config, ...options } = {}) => {
    const ledger = await database.open()
    const name = `node-${nodes.length}`
    const tier = await createDurableTier({ ledger, redis: redis.url, nodeId: name, logger })
    const groups = createGroups({
      log: tier.log,
      url: runtime.href,
      leaseMs: 1_000,
      poolSize: 4,
      nodeName: name,
      logger,
    })
    const published: StageNode['published'] = []
    const create = () =>
      createJobs({
        log: tier.log,
        groups,
        url: database.url,
        poolSize: 4,
        redis: redis.url,
        redisPrefix: 'holdfast',
        config: { ...parseConfig({}).jobs, ...config },
        acts: {
          append: event => tier.append(event),
          publish: async publication => published.push(publication),
        },
        nodeName: name,
        logger,
        timings,
        ...options,
      })
    let jobs: Jobs
    try {
      jobs = create()
    } catch (error) {
      await tier.close()
      throw error
    }
    let closed = false
    const made: StageNode = {
      jobs,
      tier,
      published,
      async work() {
        await jobs.work()
        await groups.work()
      },
      async close(withinMs = 1_000) {
        if (closed) return
        closed = true
        await groups.close(withinMs)
        await jobs.close(withinMs)
        await tier.close()
      },
    }
    nodes.push(made)
    return made
  }

  const deliveries = (rule: string) => database.sql<DeliveryRow[]>`
    select id, consumer, event_id as "eventId", state, attempts, reason, due from holdfast.deliveries
    where consumer = ${`rule/${rule}`} order by id`

  return {
    sql: database.sql,
    redis,
    client,
    url: runtime.href,
    async table(definition) {
      await database.sql.unsafe(`create table ${definition}`)
      await database.sql.unsafe(`grant all on ${definition.split(' ')[0]} to holdfast_runtime`)
    },
    async append(channel, type, data) {
      const id = newEventId()
      const outcome = await writer.append({ channel, type, data: JSON.stringify(data), id })
      if (outcome.kind !== 'stored') throw new Error(`the event was not stored: ${outcome.kind}`)
      return id
    },
    deliveries,
    settled: (rule, state, count = 1) =>
      until(`the rule ${rule} has ${count} deliveries ${state}`, async () => {
        const rows = (await deliveries(rule)).filter(row => row.state === state)
        return rows.length === count ? rows : undefined
      }),
    async queue(rule) {
      const [key] = await client.keys(`{holdfast.jobs.*}:rule-${rule}:*`)
      const prefix = key?.slice(0, key.indexOf('}') + 1) ?? ''
      const queue = new Queue(`rule-${rule}`, { connection: client, prefix })
      queues.push(queue)
      return queue
    },
    node,
    async close() {
      redis.goOn()
      await Promise.all(nodes.map(each => each.close()))
      await Promise.all(queues.map(queue => queue.close()))
      client.disconnect()
      await redis.stop()
      await database.sql.unsafe(`drop owned by ${login}`)
      await database.sql.unsafe(`drop role ${login}`)
      await database.close()
    },
  }
}
