import { HoldfastError } from '../../domain/index.ts'
import type { Logger, Sql } from '../../platform/index.ts'
import { type BackgroundLoop, startLoop } from '../background-loop.ts'
import { LogRedis } from '../mirror/log-redis.ts'
import { mirrorDefaults, PartitionMirrors } from '../mirror/partition-mirror.ts'
import { type Copies, type ErasedEvent, forgetCopies } from './forget-copies.ts'

/**
 * How long after an erasure somebody may still write or hand on what was read before it: a statement that reads the
 * ledger is given up after 4.5 s, a page is handed on for 5 s more, and a call of Redis takes 1 s at most.
 */
const staleMs = 15_000
const perPass = 100
const connectWithinMs = 3_000

interface Pending extends ErasedEvent {
  readonly id: number
  readonly settled: boolean
  readonly head: number
}

export interface ForgettingOptions {
  readonly sql: Sql
  readonly copies: Copies
  readonly logger: Logger
  /** Rest between two looks (default 1,000). */
  readonly intervalMs?: number
}

/**
 * Removes the copies of erased events from Redis, at once and again when nothing that was read before the erasure can
 * come any more; only then it counts as forgotten. So an erasure is complete although Redis was away when it was made,
 * and although every node that knew of it has died. Every node does it: doing it twice changes nothing.
 *
 * The second look is for a fill that had read the old row. Where the mirror covers the event, the first look has it
 * begin anew behind the event's position, and from then on such a late range is skipped as known; only a mirror that was
 * wiped and seeded again in between could take it in, and that is what the second look finds.
 */
export function startForgetting({
  sql,
  copies,
  logger,
  intervalMs = 1_000,
}: ForgettingOptions): BackgroundLoop {
  const once = new Set<number>()
  return startLoop({
    restMs: intervalMs,
    work: async stopping => {
      const erasures = await pending(sql)
      // Another node may have finished the others.
      const ids = new Set(erasures.map(({ id }) => id))
      for (const id of once) if (!ids.has(id)) once.delete(id)
      for (const erased of erasures) {
        if (stopping.aborted) return
        if (once.has(erased.id) && !erased.settled) continue
        await forgetCopies(copies, erased, erased.head)
        once.add(erased.id)
        if (!erased.settled) continue
        await sql`
          update holdfast.erasures set forgotten = floor(extract(epoch from clock_timestamp()) * 1000)
          where id = ${erased.id} and forgotten is null`
        const { channel, position } = erased
        logger.info({ channel, position }, 'an erased event’s copies are gone from redis')
      }
    },
    onFailure: error =>
      logger.debug({ err: error }, 'erased events’ copies could not be removed; it is tried again'),
  })
}

/**
 * Removes from the Redis at `redisUrl` what can be removed now, for a process that is no node; the second look is left
 * to the nodes. Whether Redis could be asked.
 */
export async function forgetNow(sql: Sql, redisUrl: string, logger: Logger): Promise<boolean> {
  const log = new LogRedis(redisUrl, 'holdfast-erasure', logger)
  try {
    const [ledger] = await sql<{ epoch: string }[]>`select epoch from holdfast.ledger`
    const mirrors = new PartitionMirrors(log, () => ledger?.epoch ?? '', mirrorDefaults)
    await log.connected(connectWithinMs)
    for (const erased of await pending(sql)) await forgetCopies({ log, mirrors }, erased, erased.head)
    return true
  } catch (error) {
    if (error instanceof HoldfastError && error.code.startsWith('DEPENDENCY_')) return false
    throw error
  } finally {
    log.close()
  }
}

/** Judged before the copies are removed, so that a mark never stands for a look that came too early. */
async function pending(sql: Sql): Promise<Pending[]> {
  return sql<Pending[]>`
    select id, epoch, partition, channel, position, holdfast.partition_head(partition) as head,
           time < floor(extract(epoch from clock_timestamp()) * 1000) - ${staleMs}::bigint as settled
    from holdfast.erasures where forgotten is null order by id limit ${perPass}`
}
