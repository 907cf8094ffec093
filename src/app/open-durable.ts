import { HoldfastError } from '../domain/index.ts'
import {
  type Cursors,
  createCursors,
  createDurableTier,
  createOperations,
  createPostgresLedger,
  migrate,
  type OpenTier,
  type Operations,
  type PoolUse,
  pendingMigrations,
} from '../durable/index.ts'
import {
  type Config,
  connectPostgres,
  type ForeignMessages,
  type Logger,
  redisTarget,
  type Sql,
} from '../platform/index.ts'
import type { Breakers } from '../resilience/index.ts'

export interface OpenDurable {
  /** Postgres. */
  readonly url: string
  readonly tier: OpenTier
  readonly cursors: Cursors
  readonly operations: Operations
  /** Connections for small things. */
  readonly sql: Sql
  /** How much of the connections to Postgres is in use. */
  readonly pools: () => readonly PoolUse[]
  close(): Promise<void>
}

/** Connections for what operators ask. */
const operationsPoolSize = 2

/**
 * The durable tier over a database with the right schema; undefined where no Postgres is configured.
 * @throws HoldfastError CONFIG_INVALID when migrations are pending and `postgres.migrate` is off
 */
export async function openDurable(
  config: Config,
  nodeId: string,
  logger: Logger,
  foreign: ForeignMessages,
  breakers: Breakers,
): Promise<OpenDurable | undefined> {
  const { url, poolSize, lanes, allowUnsafeFsync } = config.postgres
  if (url === undefined) return undefined
  if (config.postgres.migrate) await migrate(url, logger)
  else await refusePending(url, logger)
  const ledger = await createPostgresLedger({ url, poolSize, lanes, allowUnsafeFsync, logger, breakers })
  const tier = await createDurableTier({
    ledger,
    redis: redisTarget(config.redis, 'log'),
    nodeId,
    logger,
    foreign,
    breakers,
  })
  const sql = connectPostgres(url, {
    max: operationsPoolSize,
    applicationName: 'holdfast-operations',
    logger,
  })
  const cursors = createCursors({
    url,
    partitions: ledger.partitions,
    namespaces: config.namespaces,
    maxPerUser: config.limits.maxCursorsPerUser,
    ledgerBehind: () => tier.log.ledgerBehind,
    lookAtLedger: partitions => ledger.partitionHeads(partitions),
    logger,
  })
  return {
    url,
    tier,
    cursors,
    operations: createOperations(sql),
    sql,
    pools: () => [...ledger.pools(), cursors.pool],
    async close() {
      await cursors.close()
      await sql.end({ timeout: 1 })
      await tier.close()
    },
  }
}

async function refusePending(url: string, logger: Logger): Promise<void> {
  const pending = await pendingMigrations(url, logger)
  if (pending.length === 0) return
  throw new HoldfastError(
    'CONFIG_INVALID',
    `the database lacks ${pending.length} migration(s) (${pending.join(', ')}); run "holdfast migrate", or set postgres.migrate`,
  )
}
