import type { Logger } from '../../platform/index.ts'
import { type BackgroundLoop, startLoop } from '../background-loop.ts'
import type { AnsweringPool } from '../ledger/answering-pool.ts'
import type { Enqueuer } from './enqueue.ts'
import type { Leadership } from './leadership.ts'
import type { Reconciler } from './reconciler.ts'
import { dropIdleGroup, forgetRules, storedRules } from './rule-rows.ts'
import { forgetUndeclared, removeEnded } from './schedules/schedule-rows.ts'
import type { Scheduler } from './schedules/scheduler.ts'

export interface UpkeepOptions {
  readonly rows: AnsweringPool
  readonly leadership: Leadership
  readonly reconciler: Reconciler
  readonly scheduler: Scheduler
  readonly enqueuer: Enqueuer
  readonly keepSeconds: number
  readonly logger: Logger
}

/** What people have redriven, and timers, are looked for so often. */
const restMs = 500
const endedMs = 1_000
const lostMs = 2_000
const tidyMs = 60_000
/** Who has not tidied up for so long has just begun, or was away, perhaps with all the others. */
const awayMs = 5 * tidyMs

/**
 * What one of all processes does for all: finds what Redis has lost, sets timers, tidies up. Postgres says what there is to
 * do, so whoever follows goes on where the last one was.
 */
export function startUpkeep(options: UpkeepOptions): BackgroundLoop {
  const { rows, leadership, reconciler, scheduler, enqueuer, logger } = options
  const last = { ended: 0, lost: 0, tidied: 0 }
  const failing = { is: false }

  async function look(stopping: AbortSignal): Promise<void> {
    if (!(await leadership.leads())) return
    await tidy()
    // Another process may still reach the Redis of jobs.
    if (!enqueuer.reachable) return leadership.resign()
    const now = Date.now()
    const [ended, lost] = [now - last.ended >= endedMs, now - last.lost >= lostMs]
    if (ended) last.ended = now
    if (lost) last.lost = now
    await scheduler.setTimers()
    const failures: unknown[] = []
    for (const rule of await rows.run(storedRules)) {
      // Asked between rules, too: who is silent for long loses the lead.
      if (stopping.aborted || !(await leadership.leads())) return
      try {
        await reconciler.takeRedriven(rule)
        if (rule.queue && ended) await reconciler.takeEnded(rule)
        else if (!rule.queue && lost) await reconciler.takeLost(rule)
      } catch (error) {
        // One rule's queue must not keep the others from theirs.
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
    if (failing.is) logger.info('the upkeep of jobs goes on')
    failing.is = false
  }

  async function tidy(): Promise<void> {
    const sinceMs = Date.now() - last.tidied
    if (sinceMs < tidyMs) return
    last.tidied = Date.now()
    await rows.run(sql => removeEnded(sql, options.keepSeconds))
    // After a time when nobody worked, those who declare rules and schedules are given a minute to say so.
    if (sinceMs < awayMs) await forget()
    const gone = undeclared(await rows.run(storedRules))
    const waiting = await rows.run(
      sql => sql<{ rule: string; deliveries: number }[]>`
        select r.name as rule, count(*) as deliveries
        from holdfast.job_rules as r join holdfast.deliveries as d on d.consumer = 'rule/' || r.name
        where d.state = 'queued' and r.name = any(${gone}::text[])
        group by r.name`,
    )
    for (const { rule, deliveries } of waiting)
      logger.warn(
        { rule, deliveries },
        'deliveries wait for a rule that no process declares: "holdfast jobs remove" ends it',
      )
  }

  async function forget(): Promise<void> {
    const schedules = await rows.run(forgetUndeclared)
    if (schedules.length > 0)
      logger.info({ schedules }, 'schedules that no configuration declares any more are removed')
    const rules = await rows.run(forgetRules)
    if (rules.length > 0)
      logger.info({ rules }, 'rules that no process has declared for a week are not applied any more')
    if (await rows.run(dropIdleGroup)) logger.info('no rule is left that is applied: events make no jobs')
  }

  return startLoop({
    restMs,
    work: look,
    onFailure(error) {
      // It is the same every half second, until what is away comes back.
      if (failing.is) return
      failing.is = true
      logger.warn({ err: error }, 'the upkeep of jobs failed; it is tried again')
    },
  })
}

/** Names of rules consist of a-z, 0-9 and hyphens. */
function undeclared(rules: Awaited<ReturnType<typeof storedRules>>): string {
  return `{${rules.filter(({ declared }) => !declared).map(({ name }) => name)}}`
}
