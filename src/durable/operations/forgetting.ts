import { HoldfastError } from '../../domain/index.ts'
import type { Logger, Sql } from '../../platform/index.ts'
import { type BackgroundLoop, startLoop } from '../background-loop.ts'
import { LogRedis } from '../mirror/log-redis.ts'
import { mirrorDefaults, PartitionMirrors } from '../mirror/partition-mirror.ts'
import { type Copies, type ErasedEvent, forgetCopies } from './forget-copies.ts'

/**
 * How long after an erasure somebody may still write or hand on what was read before it: a statement that reads the
 * ledger is given up after 4.5 s, a page is handed on for 5 s more, a call of Redis takes 3 s at most, and a handler has
 * 30 s without a sign of life, after which its error may become a delivery's reason.
 */
const staleMs = 60_000
const perPass = 1_000
const connectWithinMs = 3_000

interface Pending extends ErasedEvent {
  readonly id: number
  readonly settled: boolean
  readonly head: number
}

export interface ForgettingOptions {
  readonly sql: Sql
  readonly copies: Copies
  /** Takes the event out of jobs that carry it; where it fails, everything is done again. */
  readonly forgetJobs?: (place: { readonly partition: number; readonly position: number }) => Promise<void>
  readonly logger: Logger
  /** Rest between two looks (default 1,000). */
  readonly intervalMs?: number
}

/**
 * Removes the copies of erased events from Redis and from jobs, at once and again when nothing that was read before the erasure can
 * come any more; only then it counts as forgotten. So an erasure is complete although Redis was away when it was made,
 * and although every node that knew of it has died. Every node does it: doing it twice changes nothing.
 *
 * The second look is for a fill that had read the old row. Where the mirror covers the event, the first look has it
 * begin anew behind the event's position, and from then on such a late range is skipped as known; only a mirror that was
 * wiped and seeded again in between could take it in, and that is what the second look finds. It is also for a job, and
 * for a delivery's row, that was made of what a worker had in its hands.
 */
export function startForgetting({
  sql,
  copies,
  forgetJobs,
  logger,
  intervalMs = 1_000,
}: ForgettingOptions): BackgroundLoop {
  const forget = async (erased: Pending) => {
    await forgetCopies(copies, erased, erased.head)
    await forgetJobs?.(erased)
  }
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
        const { channel, position } = erased
        try {
          await forget(erased)
          once.add(erased.id)
          if (erased.settled) await settle(sql, erased)
        } catch (error) {
          // The others are not to wait for it.
          logger.debug({ err: error, channel, position }, 'an erased event’s copies could not be removed yet')
        }
      }
    },
    onFailure: error => logger.debug({ err: error }, 'could not look for erased events; it is tried again'),
  })
}

/** A delivery's row that was written late may name the event's type, and quote it in its reason. */
async function settle(sql: Sql, { id }: Pending): Promise<void> {
  await sql`
    with erased as (
      update holdfast.erasures set forgotten = floor(extract(epoch from clock_timestamp()) * 1000)
      where id = ${id} and forgotten is null returning channel, event_id
    )
    update holdfast.deliveries as d
    set event_type = 'holdfast.erased', reason = case when d.reason is null then null else 'the event was erased' end
    from erased as e
    where d.event_id = e.event_id and d.channel = e.channel and d.event_type <> 'holdfast.erased'`
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
