import type { Redis } from 'ioredis'
import type { Sql } from '../../src/platform/index.ts'

/** What Redis and Postgres have done since they were started, by their own counting. */
export interface ReadCounts {
  /** Commands by name; those that a script calls count too. */
  readonly redis: Readonly<Record<string, number>>
  /** Rows of the ledger's events that were fetched, in whatever way. */
  readonly rows: number
  /** Searches in the indexes of the ledger's events: one for each page, and one for each head. */
  readonly searches: number
}

export async function redisCommands(redis: Redis): Promise<Record<string, number>> {
  const info = await redis.info('commandstats')
  const calls = [...info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)]
  return Object.fromEntries(calls.map(([, name, count]) => [name ?? '', Number(count)]))
}

/**
 * Sessions of Postgres report what they have counted when they are idle, at the latest after a second; so the numbers
 * are asked for until they stand still.
 */
export async function eventReads(sql: Sql): Promise<{ rows: number; searches: number }> {
  let last = ''
  for (;;) {
    const [counts] = await sql<{ rows: number; searches: number }[]>`
      select t.seq_tup_read + t.idx_tup_fetch as rows, t.idx_scan as searches
      from pg_stat_clear_snapshot(), pg_stat_user_tables as t
      where t.schemaname = 'holdfast' and t.relname = 'events'`
    const now = JSON.stringify(counts)
    if (counts && now === last) return counts
    last = now
    await new Promise(resolve => setTimeout(resolve, 1_100))
  }
}
