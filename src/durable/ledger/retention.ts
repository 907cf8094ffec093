import { setTimeout as delay } from 'node:timers/promises'
import { type NamespaceOptions, namespaceOf } from '../../domain/index.ts'
import { connectPostgres, type Logger, type Sql } from '../../platform/index.ts'
import { checkServer, type LedgerIdentity } from './start-check.ts'

export interface RetentionOptions {
  readonly url: string
  readonly namespaces: Readonly<Record<string, Pick<NamespaceOptions, 'tier' | 'retention'>>>
  /** Rest between two passes over the ledger. */
  readonly intervalMs: number
  readonly logger?: Logger
}

interface Rule {
  readonly namespace: string
  readonly maxAgeSeconds: number
  readonly maxEvents: number
  /** The channels of the namespace lie in [from, to) of the index. */
  readonly from: string
  readonly to: string
}

/** Channels looked at in one statement, and events removed in one: steps small enough to disturb nobody. */
const channelsPerStep = 200
const eventsPerStep = 1_000

/**
 * Removes what the namespaces' retention no longer keeps, one node at a time. A failed pass is logged, and the
 * next one does its work: events may stay longer than asked for, and are never removed earlier.
 */
export function startRetention(options: RetentionOptions): { stop(): Promise<void> } {
  const rules = rulesOf(options.namespaces)
  if (rules.length === 0) return { stop: async () => {} }
  const { url, logger } = options
  const sql = connectPostgres(url, {
    max: 1,
    applicationName: 'holdfast-retention',
    settings: { enable_seqscan: 'off', enable_bitmapscan: 'off', jit: 'off' },
    ...(logger && { logger }),
  })
  const stopping = new AbortController()
  const loop = async () => {
    while (!stopping.signal.aborted) {
      try {
        const removed = await pass(sql, rules, stopping.signal)
        if (removed > 0) logger?.info({ removed }, 'retention has removed events')
      } catch (error) {
        if (!stopping.signal.aborted) logger?.warn({ err: error }, 'retention pass failed')
      }
      await delay(options.intervalMs, undefined, { signal: stopping.signal }).catch(() => {})
    }
  }
  const running = loop()
  return {
    async stop() {
      stopping.abort()
      await sql.end({ timeout: 1 })
      await running
    },
  }
}

async function pass(sql: Sql, rules: readonly Rule[], stopping: AbortSignal): Promise<number> {
  const [lock] = await sql<{ mine: boolean }[]>`select pg_try_advisory_lock(1212566596, -2) as mine`
  if (!lock?.mine) return 0
  let removed = 0
  try {
    const ledger = await checkServer(sql, true)
    for (const rule of rules) {
      for (let partition = 0; partition < ledger.partitions && !stopping.aborted; partition++) {
        removed += await sweep(sql, ledger, rule, partition, stopping)
      }
    }
  } finally {
    await sql`select pg_advisory_unlock(1212566596, -2)`
  }
  return removed
}

async function sweep(
  sql: Sql,
  ledger: LedgerIdentity,
  rule: Rule,
  partition: number,
  stopping: AbortSignal,
): Promise<number> {
  let total = 0
  let { from } = rule
  while (!stopping.aborted) {
    const step = await channelsWithOld(sql, rule, partition, from)
    let again = false
    for (const { channel, through } of step) {
      if (through === null || namespaceOf(channel) !== rule.namespace) continue
      const [row] = await sql<{ removed: number }[]>`
        select holdfast.remove_events(${ledger.epoch}, ${partition}, ${channel}, ${through}, ${eventsPerStep}) as removed`
      total += row?.removed ?? 0
      again ||= row?.removed === eventsPerStep
    }
    if (again) continue
    const last = step.at(-1)?.channel
    if (last === undefined || step.length < channelsPerStep) break
    // The least text above `last`.
    from = `${last}\u0001`
  }
  return total
}

/**
 * Some channels in order, each with the last offset that the rule no longer keeps (null: it keeps all). Of age only
 * the oldest events are asked, and the first one that is young enough ends the search.
 */
async function channelsWithOld(
  sql: Sql,
  rule: Rule,
  partition: number,
  from: string,
): Promise<{ channel: string; through: number | null }[]> {
  return sql<{ channel: string; through: number | null }[]>`
    with recursive found as (
      (select channel, 1 as n from holdfast.events
       where partition = ${partition} and channel >= ${from} and channel < ${rule.to} order by channel limit 1)
      union all
      select (select e.channel from holdfast.events as e
              where e.partition = ${partition} and e.channel > found.channel and e.channel < ${rule.to}
              order by e.channel limit 1), n + 1
      from found where found.channel is not null and n < ${channelsPerStep}
    )
    select found.channel,
           case when greatest(aged.through, crowded.through) >= oldest."offset"
                then greatest(aged.through, crowded.through) end as through
    from found
    left join lateral (
      select e."offset" from holdfast.events as e
      where e.partition = ${partition} and e.channel = found.channel order by e."offset" limit 1
    ) as oldest on true
    left join lateral (
      select coalesce(min(o."offset") filter (where o.time >= young.since) - 1, max(o."offset")) as through
      from (select floor(extract(epoch from clock_timestamp()) * 1000) - ${rule.maxAgeSeconds}::bigint * 1000 as since)
             as young,
           (select e."offset", e.time from holdfast.events as e
            where e.partition = ${partition} and e.channel = found.channel
            order by e."offset" limit ${eventsPerStep}) as o
    ) as aged on ${rule.maxAgeSeconds}::bigint > 0
    left join lateral (
      select e."offset" - ${rule.maxEvents}::bigint as through from holdfast.events as e
      where e.partition = ${partition} and e.channel = found.channel order by e."offset" desc limit 1
    ) as crowded on ${rule.maxEvents}::bigint > 0
    where found.channel is not null
    order by found.channel`
}

function rulesOf(namespaces: RetentionOptions['namespaces']): Rule[] {
  return Object.entries(namespaces).flatMap(([namespace, { tier, retention }]) => {
    if (tier !== 'durable' || (retention.maxAgeSeconds === 0 && retention.maxEvents === 0)) return []
    // The namespace without a name has the channels without a colon: they lie everywhere.
    if (namespace === '') return [{ namespace, ...retention, from: '', to: '\u007f' }]
    // `;` follows `:` in ASCII; private channels begin with `$`.
    return ['', '$'].map(prefix => ({
      namespace,
      ...retention,
      from: `${prefix}${namespace}:`,
      to: `${prefix}${namespace};`,
    }))
  })
}
