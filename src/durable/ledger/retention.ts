import { connectPostgres, type Logger, type Sql } from '../../platform/index.ts'
import { type BackgroundLoop, startLoop } from '../background-loop.ts'
import { type DueChannel, dueChannels, eventsPerStep } from './due-channels.ts'
import { HeldBack } from './held-back.ts'
import { type RetainedNamespaces, type Rule, rulesOf } from './retention-rules.ts'
import { checkServer, type LedgerIdentity } from './start-check.ts'

export interface RetentionOptions {
  readonly url: string
  readonly namespaces: RetainedNamespaces
  /** Rest between two passes over the ledger. */
  readonly intervalMs: number
  /** How long a group, a delivery or a cursor may hold events back before the log says so (default an hour). */
  readonly patienceMs?: number
  /** A node that says nothing for so long in the middle of a pass is followed by another (default 30,000). */
  readonly silentMs?: number
  readonly logger?: Logger
}

/** The timer of an idle session does not run in the middle of a statement's exchange; a dead route ends it there, too. */
const keepalives = { tcp_keepalives_idle: '10', tcp_keepalives_interval: '5', tcp_keepalives_count: '4' }

interface Pass {
  readonly sql: Sql
  readonly ledger: LedgerIdentity
  readonly held: HeldBack
  readonly stopping: AbortSignal
}

/**
 * Removes what the namespaces' retention no longer keeps and nobody needs, one node at a time. A failed pass is logged,
 * and the next one does its work: events may stay longer than asked for, and are never removed earlier.
 */
export function startRetention(options: RetentionOptions): BackgroundLoop {
  const rules = rulesOf(options.namespaces)
  if (rules.length === 0) return { stop: async () => {} }
  const { url, logger, patienceMs = 3_600_000, silentMs = 30_000 } = options
  const sql = connectPostgres(url, {
    max: 1,
    applicationName: 'holdfast-retention',
    settings: { enable_seqscan: 'off', enable_bitmapscan: 'off', jit: 'off', ...keepalives },
    ...(logger && { logger }),
  })
  const held = new HeldBack(patienceMs, logger)
  const loop = startLoop({
    restMs: options.intervalMs,
    work: async stopping => {
      const removed = await onePass(sql, rules, { held, stopping, silentMs })
      if (removed > 0) logger?.info({ removed }, 'retention has removed events')
    },
    onFailure: error => logger?.warn({ err: error }, 'retention pass failed'),
  })
  return {
    async stop() {
      const stopped = loop.stop()
      await sql.end({ timeout: 1 })
      await stopped
    },
  }
}

async function onePass(
  sql: Sql,
  rules: readonly Rule[],
  { held, stopping, silentMs }: Pick<Pass, 'held' | 'stopping'> & { readonly silentMs: number },
): Promise<number> {
  const [lock] = await sql<{ mine: boolean }[]>`select pg_try_advisory_lock(1212566596, -2) as mine`
  if (!lock?.mine) return 0
  let removed = 0
  try {
    // A node that is stopped, or whose route is lost, ends no connection, and would keep its lock. Between passes it rests.
    await sql`select set_config('idle_session_timeout', ${String(silentMs)}, false)`
    const ledger = await checkServer(sql, true)
    for (const rule of rules) {
      for (let partition = 0; partition < ledger.partitions && !stopping.aborted; partition++) {
        removed += await sweep({ sql, ledger, held, stopping }, rule, partition)
      }
    }
    held.tell()
  } finally {
    await sql`select pg_advisory_unlock(1212566596, -2)`
    await sql`reset idle_session_timeout`
  }
  return removed
}

/** What nobody needs is decided by `holdfast.remove_events`; here only work is spared that could remove nothing. */
async function sweep(pass: Pass, rule: Rule, partition: number): Promise<number> {
  const { sql, ledger, held, stopping } = pass
  const behind = await furthestBehind(sql, rule, partition)
  const steps = dueChannels(sql, rule, partition)
  let total = 0
  let asked = false
  let step = await steps.next()
  while (!step.done && !stopping.aborted) {
    let again = false
    for (const due of step.value) {
      if (stopping.aborted) break
      const { channel, oldest, oldestPosition, through } = due
      if (behind && oldestPosition > behind.position) {
        held.note(rule.namespace, behind.holder, channel)
        continue
      }
      const [row] = await sql<{ removed: number }[]>`
        select holdfast.remove_events(${ledger.epoch}, ${partition}, ${channel}, ${through}, ${eventsPerStep}) as removed`
      const removed = row?.removed ?? 0
      total += removed
      again ||= removed === eventsPerStep
      // One channel a partition and pass is enough to know who holds; a statement for each would cost as much as they.
      if (removed < Math.min(eventsPerStep, through - oldest + 1) && !asked) {
        asked = true
        for (const holder of await holdersOf(sql, partition, due)) held.note(rule.namespace, holder, channel)
      }
    }
    step = await steps.next({ again })
  }
  return total
}

/** The group that has settled least of the partition, of those that may need the namespace's events. */
async function furthestBehind(
  sql: Sql,
  rule: Rule,
  partition: number,
): Promise<{ holder: string; position: number } | undefined> {
  const [row] = await sql<{ holder: string; position: number }[]>`
    select 'group/' || g.name as holder, case when p.epoch = l.epoch then p.position else 0 end as position
    from holdfast.ledger as l, holdfast.groups as g
    join holdfast.group_partitions as p on p."group" = g.name and p.partition = ${partition}
    where g.namespaces is null or ${rule.namespace} = any (g.namespaces)
    order by 2 limit 1`
  return row
}

async function holdersOf(sql: Sql, partition: number, { channel }: DueChannel): Promise<string[]> {
  const rows = await sql<{ holder: string }[]>`
    select n.holder
    from (select e.position, e."offset" from holdfast.events as e
          where e.partition = ${partition} and e.channel = ${channel} order by e."offset" limit 1) as first,
         holdfast.needed_by(${partition}, ${channel}) as n
    where n.position < first.position or n."offset" < first."offset"`
  return rows.map(({ holder }) => holder)
}
