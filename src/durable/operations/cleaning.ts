import type { Logger, Sql } from '../../platform/index.ts'
import { type BackgroundLoop, startLoop } from '../background-loop.ts'

export interface CleaningOptions {
  readonly sql: Sql
  /** How long rows of ended deliveries are kept (`jobs.keepSeconds`). */
  readonly keepSeconds: number
  /** Rest between two passes (default ten minutes). */
  readonly intervalMs?: number
  readonly logger: Logger
}

/** Rows looked at in one statement. */
const rowsPerStep = 1_000
/** How long ended jobs stay in an application's own queue, with the whole event; an erasure finds them by these rows. */
const queuedSeconds = 7 * 86_400
/** Beside those of ledger, retention, migrations and outbox. */
const lock = -4

/**
 * Removes what is left of deliveries that have ended, done or discarded, one node at a time. Open ones stay, however old.
 */
export function startCleaning({
  sql,
  keepSeconds,
  intervalMs = 600_000,
  logger,
}: CleaningOptions): BackgroundLoop {
  return startLoop({
    restMs: intervalMs,
    work: async stopping => {
      let removed = 0
      let after = 0
      while (!stopping.aborted) {
        const { last, count, full } = await step(sql, keepSeconds, after)
        removed += count
        after = last
        if (!full) break
      }
      if (removed > 0) logger.info({ removed }, 'rows of ended deliveries were removed')
    },
    onFailure: error => logger.warn({ err: error }, 'cleaning up deliveries failed'),
  })
}

/**
 * Ids are given in the order of time, so the walk through them ends at the first row that is too young: no index is
 * needed on when a delivery ended, which every delivery would have to pay for.
 */
async function step(
  sql: Sql,
  keepSeconds: number,
  after: number,
): Promise<{ last: number; count: number; full: boolean }> {
  const [row] = await sql<{ last: number | null; seen: number; removed: number }[]>`
    with turn as materialized (select pg_try_advisory_xact_lock(1212566596, ${lock}) as mine),
    queued as materialized (
      select 'rule/' || name as consumer from holdfast.job_rules
      where definition::json ->> 'target' = 'queue'
    ), looked as materialized (
      select d.id, d.state, d.created, d.updated, now.ms - ${keepSeconds}::bigint * 1000 as since,
             case when d.consumer in (select consumer from queued)
                  then now.ms - greatest(${keepSeconds}::bigint, ${queuedSeconds}::bigint) * 1000
                  else now.ms - ${keepSeconds}::bigint * 1000 end as ended
      from holdfast.deliveries as d,
           (select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as ms) as now
      where d.id > ${after}::bigint and (select mine from turn)
      order by d.id limit ${rowsPerStep}
    ), gone as (
      delete from holdfast.deliveries as d using looked as l
      where d.id = l.id and l.state in ('done', 'discarded') and l.updated < l.ended
        and d.state in ('done', 'discarded')
      returning d.id
    )
    select max(id) as last, count(*) filter (where created < since) as seen, (select count(*) from gone) as removed
    from looked`
  return { last: row?.last ?? after, count: row?.removed ?? 0, full: row?.seen === rowsPerStep }
}
