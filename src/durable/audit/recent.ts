import { HoldfastError } from '../../domain/index.ts'
import type { Sql } from '../../platform/index.ts'
import type { LogRedis } from '../mirror/log-redis.ts'
import type { PartitionMirrors } from '../mirror/partition-mirror.ts'
import { compareHistory, compareLog, readLogEnd } from './copies.ts'
import { missingIn, readWindow, type Window, type WindowEvent } from './numbering.ts'
import type { LostEvent, PartitionAudit } from './types.ts'

export interface Copies {
  readonly redis: LogRedis
  readonly mirrors: PartitionMirrors
}

export interface RecentOptions {
  readonly partition: number
  /** The events of another one are not to be compared. */
  readonly epoch: string
  /** How many events of the partition are looked at. */
  readonly events: number
  /** Undefined where there is no Redis, or it is away. */
  readonly copies: Copies | undefined
}

/**
 * The newest events of a partition: whether their numbering is whole, and whether log and history tell of the same. Undefined
 * where the ledger has another epoch by now, or a standby answers.
 * @throws HoldfastError DEPENDENCY_* where Postgres does not answer
 */
export async function auditRecent(sql: Sql, options: RecentOptions): Promise<PartitionAudit | undefined> {
  const { partition, epoch, events: limit, copies } = options
  // The copy first: what is in it was in the ledger before.
  const log = copies && (await orNothing(readLogEnd(copies.redis, copies.mirrors, partition, limit)))
  const from = log?.[0]?.position
  const window = await readWindow(sql, partition, { from, limit })
  if (window.epoch !== epoch) return undefined
  const missing = missingIn(partition, window)
  const compared = log && log.length > 0 ? await compareLog(sql, partition, log, { window, limit }) : nothing
  const one = anyChannel(window)
  const history = copies && one && (await orNothing(compareHistory(sql, copies.mirrors, partition, one)))
  const lost = merged(missing.lost, compared.lost)
  return {
    partition,
    scope: 'recent',
    lost,
    lostCount: Math.max(lost.length, missing.count),
    differences: [...compared.differences, ...(history?.differences ?? [])],
    checked: {
      ledger: window.events.length,
      ...(log && { mirror: log.length }),
      ...(history && { history: history.checked }),
    },
  }
}

/** One of the channels, with its newest event: the next pass takes another. */
function anyChannel({ events }: Window): WindowEvent | undefined {
  const newest = [...new Map(events.map(event => [event.channel, event])).values()]
  return newest[Math.floor(Math.random() * newest.length)]
}

const nothing: { differences: []; lost: LostEvent[] } = { differences: [], lost: [] }

/** The same event may be told of by a hole and by a copy, which knows it by its name. */
function merged(holes: readonly LostEvent[], copied: readonly LostEvent[]): LostEvent[] {
  const same = (one: LostEvent, other: LostEvent) =>
    one.position === other.position || (one.channel === other.channel && one.offset === other.offset)
  return [...copied, ...holes.filter(hole => !copied.some(copy => same(copy, hole)))]
}

/** A copy that cannot be had now is compared another time. */
async function orNothing<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof HoldfastError && error.code.startsWith('DEPENDENCY_')) return undefined
    throw error
  }
}
