import { HoldfastError } from '../../domain/index.ts'
import type { Logger, RedisTarget, Sql } from '../../platform/index.ts'
import { type BackgroundLoop, startLoop } from '../background-loop.ts'
import { intArray } from '../ledger/array-literal.ts'
import { LogRedis } from '../mirror/log-redis.ts'
import { mirrorDefaults, PartitionMirrors } from '../mirror/partition-mirror.ts'
import { type Copies, type ErasedEvent, forgetCopies } from './forget-copies.ts'
import { blankRows, LateRows } from './late-rows.ts'

/**
 * How long after an erasure somebody may still hand on what was read before it, or write it to Redis or into a job: a
 * statement that reads the ledger is given up after 4.5 s, a page is handed on for 5 s more, and a call of Redis takes 3 s
 * at most. A handler may take longer than any time that could be named here, see `blankRows`.
 */
const staleMs = 60_000
const perPage = 1_000
const connectWithinMs = 3_000
/** Passes from one look at deliveries' rows to the next. */
const passesPerBlank = 60

interface Pending extends ErasedEvent {
  readonly id: number
  readonly settled: boolean
}

export interface ForgettingOptions {
  readonly sql: Sql
  /** Where there is a Redis of the log. */
  readonly copies?: Copies | undefined
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
 * wiped and seeded again in between could take it in, and that is what the second look finds. It is also for a job that
 * was made of what a worker had in its hands.
 */
export function startForgetting({
  sql,
  copies,
  forgetJobs,
  logger,
  intervalMs = 1_000,
}: ForgettingOptions): BackgroundLoop {
  /** When this process took its first look at an erasure, by its id. */
  const looked = new Map<number, number>()
  const rows = new LateRows(sql)
  let pass = 0
  return startLoop({
    restMs: intervalMs,
    work: async stopping => {
      if (pass++ % passesPerBlank === 0) await rows.blank()
      const now = performance.now()
      // Long since settled, here or by another node.
      for (const [id, at] of looked) if (now - at > 2 * staleMs) looked.delete(id)
      for await (const page of pending(sql, looked)) {
        if (copies) await forgetCopies(copies, page)
        for (const erased of page) {
          if (stopping.aborted) return
          const { id, channel, position, settled } = erased
          try {
            await forgetJobs?.(erased)
            looked.set(id, now)
            if (settled) await settle(sql, id)
          } catch (error) {
            // The others are not to wait for it.
            logger.debug(
              { err: error, channel, position },
              'an erased event’s copies could not be removed yet',
            )
          }
        }
      }
    },
    onFailure: error => logger.debug({ err: error }, 'could not forget erased events; it is tried again'),
  })
}

async function settle(sql: Sql, id: number): Promise<void> {
  await blankRows(sql, id, id)
  await sql`
    update holdfast.erasures set forgotten = floor(extract(epoch from clock_timestamp()) * 1000)
    where id = ${id} and forgotten is null`
}

/**
 * Removes from the log's Redis what can be removed now, for a process that is no node; the second look is left
 * to the nodes. Whether Redis could be asked.
 */
export async function forgetNow(sql: Sql, redis: RedisTarget, logger: Logger): Promise<boolean> {
  const log = new LogRedis(redis, 'holdfast-erasure', logger)
  try {
    const [ledger] = await sql<{ epoch: string }[]>`select epoch from holdfast.ledger`
    const mirrors = new PartitionMirrors(log, () => ledger?.epoch ?? '', mirrorDefaults)
    await log.connected(connectWithinMs)
    for await (const page of pending(sql, new Map())) await forgetCopies({ log, mirrors }, page)
    return true
  } catch (error) {
    if (error instanceof HoldfastError && error.code.startsWith('DEPENDENCY_')) return false
    throw error
  } finally {
    log.close()
  }
}

/**
 * What has to be looked at, page by page: for the first time, or for the second one. Judged before the copies are removed,
 * so that a mark never stands for a look that came too early.
 */
async function* pending(sql: Sql, looked: ReadonlyMap<number, number>): AsyncGenerator<readonly Pending[]> {
  for (let after = 0; ; ) {
    const page = await sql<Pending[]>`
      select e.*, holdfast.partition_head(e.partition) as head
      from (
        select id, epoch, partition, channel, position, "offset", event_id as "eventId",
               time < floor(extract(epoch from clock_timestamp()) * 1000) - ${staleMs}::bigint as settled
        from holdfast.erasures where forgotten is null and id > ${after}
      ) as e
      where e.settled or e.id not in (select unnest(${intArray([...looked.keys()], id => id)}::bigint[]))
      order by e.id limit ${perPage}`
    if (page.length > 0) yield page
    if (page.length < perPage) return
    after = page.at(-1)?.id ?? after
  }
}
