import { createLogger, type RedisTarget, type Sql } from '../../platform/index.ts'
import { LogRedis } from '../mirror/log-redis.ts'
import { mirrorDefaults, PartitionMirrors } from '../mirror/partition-mirror.ts'
import { auditRecent } from './recent.ts'
import type { Difference, LostEvent, PartitionAudit } from './types.ts'
import { auditWhole } from './whole.ts'

/** What one pass over everything has found. */
export interface AuditReport {
  readonly epoch: string
  /** Whose places were counted. */
  readonly events: number
  /** How many entries of the log were compared; undefined where no Redis was asked, or it did not answer. */
  readonly mirrored: number | undefined
  /** At least so many are missing. */
  readonly lost: number
  readonly findings: readonly LostEvent[]
  readonly differences: readonly Difference[]
}

export interface AuditNowOptions {
  readonly sql: Sql
  readonly redis: RedisTarget | undefined
  /** Called after each partition. */
  readonly onPartition?: () => void
}

const connectWithinMs = 3_000

/**
 * Goes through the whole ledger once: every event's place, and of each partition all that its log has. A channel's history is
 * compared for one channel of each partition.
 */
export async function auditNow({ sql, redis, onPartition }: AuditNowOptions): Promise<AuditReport> {
  const [ledger] = await sql<
    { epoch: string; partitions: number }[]
  >`select epoch, partitions from holdfast.ledger`
  const { epoch = '', partitions = 0 } = ledger ?? {}
  const log = redis === undefined ? undefined : new LogRedis(redis, 'holdfast-audit', createLogger('silent'))
  await log?.connected(connectWithinMs)
  const copies = log?.reachable
    ? { redis: log, mirrors: new PartitionMirrors(log, () => epoch, mirrorDefaults) }
    : undefined
  const found: PartitionAudit[] = []
  try {
    for (let partition = 0; partition < partitions; partition++) {
      const recent = await auditRecent(sql, { partition, epoch, events: mirrorDefaults.logSize, copies })
      const whole = await auditWhole(sql, partition, epoch)
      found.push(...[recent, whole].filter(each => each !== undefined))
      onPartition?.()
    }
  } finally {
    log?.close()
  }
  return report(epoch, found, copies !== undefined)
}

/** A lost event may be told of by both looks at its partition: it counts once. */
function report(epoch: string, found: readonly PartitionAudit[], mirrored: boolean): AuditReport {
  const sum = (what: 'ledger' | 'mirror', scope: PartitionAudit['scope']) =>
    found.reduce((total, each) => total + (each.scope === scope ? (each.checked[what] ?? 0) : 0), 0)
  const lostIn = Map.groupBy(found, ({ partition }) => partition)
  return {
    epoch,
    events: sum('ledger', 'whole'),
    mirrored: mirrored ? sum('mirror', 'recent') : undefined,
    lost: [...lostIn.values()].reduce(
      (total, looks) => total + Math.max(...looks.map(({ lostCount }) => lostCount)),
      0,
    ),
    findings: found.flatMap(({ lost }) => lost),
    differences: found.flatMap(({ differences }) => differences),
  }
}
