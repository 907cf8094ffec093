import { type BackgroundLoop, startLoop } from '../background-loop.ts'
import { Turns } from '../groups/turn.ts'
import type { Handler } from '../groups/types.ts'
import type { AnsweringPool } from '../ledger/answering-pool.ts'
import type { Deliverer } from './deliverer.ts'
import { Delivering } from './delivering.ts'
import { Enqueuer } from './enqueue.ts'
import type { JobCounts } from './job-counts.ts'
import { JobRedis } from './job-redis.ts'
import { Leadership } from './leadership.ts'
import { Matching } from './matching.ts'
import { Reconciler } from './reconciler.ts'
import type { Rule } from './rule.ts'
import { declareRules, jobsGroup, keepRules } from './rule-rows.ts'
import { RuleWorkers } from './rule-workers.ts'
import type { NewSchedule } from './schedules/schedule.ts'
import { keepSchedules, saveSchedule } from './schedules/schedule-rows.ts'
import { Scheduler, schedulesQueue } from './schedules/scheduler.ts'
import type { JobsOptions, JobTimings } from './types.ts'
import { startUpkeep } from './upkeep.ts'
import { WorkerRedis } from './worker-redis.ts'

export interface RunningParts extends JobsOptions {
  readonly rows: AnsweringPool
  readonly webhooks: Deliverer
  readonly rules: ReadonlyMap<string, Rule>
  readonly handlers: ReadonlyMap<string, Handler>
  /** The schedules of the configuration. */
  readonly declared: readonly NewSchedule[]
  readonly counts: { readonly deliveries: JobCounts; readonly schedules: JobCounts }
}

const defaults: JobTimings = { lockMs: 30_000, stalledMs: 15_000, overdueMs: 5_000 }
/** Events that share a transaction: most of them concern no rule. */
const batchSize = 100
/** How often it is said that rules and schedules are still declared. */
const keepMs = 5_000
const lookAfterMs = 10_000
const scheduleConcurrency = 10

/** The jobs of a process at work. @throws HoldfastError CONFIG_INVALID, DEPENDENCY_* */
export async function startJobs(parts: RunningParts): Promise<RunningJobs> {
  const { rows, rules, declared } = parts
  // Two databases on one Redis must never work on each other's jobs; a restored one goes on with its own.
  const [ledger] = await rows.run(
    sql => sql<{ made: number }[]>`
      select floor(extract(epoch from created) * 1000000)::bigint as made from holdfast.ledger`,
  )
  const prefix = `{${parts.redisPrefix}.jobs.${(ledger?.made ?? 0).toString(36)}}`
  if (rules.size > 0) await rows.run(sql => declareRules(sql, [...rules.values()]))
  for (const schedule of declared) await rows.run(sql => saveSchedule(sql, schedule, { declared: true }))
  return new RunningJobs(parts, prefix)
}

export class RunningJobs {
  readonly enqueuer: Enqueuer
  readonly #parts: RunningParts
  readonly #redis: { readonly jobs: JobRedis; readonly workers: WorkerRedis } | undefined
  readonly #turns: Turns
  readonly #leadership: Leadership
  readonly #matching: Matching
  readonly #workers: RuleWorkers
  readonly #loops: readonly BackgroundLoop[]
  #joined = false

  constructor(parts: RunningParts, prefix: string) {
    const { rows, log, url, redis: target, nodeName, logger, counts, webhooks, config } = parts
    const timings = { ...defaults, ...parts.timings }
    this.#parts = parts
    this.#redis =
      target === undefined
        ? undefined
        : {
            jobs: new JobRedis(target, `holdfast-jobs-${nodeName}`, logger, parts.breakers),
            workers: new WorkerRedis(target, `holdfast-job-workers-${nodeName}`, logger),
          }
    this.enqueuer = new Enqueuer(this.#redis?.jobs, prefix, log.ledger)
    this.#turns = new Turns(url, parts.poolSize, logger)
    this.#leadership = new Leadership(url, logger)
    this.#matching = new Matching(this.enqueuer, logger)
    const { ledger } = log
    const delivering = new Delivering({
      rows,
      turns: this.#turns,
      ledger,
      webhooks,
      counts: counts.deliveries,
      logger,
    })
    this.#workers = new RuleWorkers({ redis: this.#redis, prefix, delivering, timings, logger })
    const redis = this.#redis?.jobs
    const scheduler = new Scheduler({
      rows,
      redis,
      prefix,
      acts: parts.acts,
      counts: counts.schedules,
      logger,
    })
    this.#workers.beginQueue(schedulesQueue, scheduleConcurrency, {
      work: data => scheduler.work(data),
      failed: () => undefined,
    })
    const { enqueuer } = this
    const reconciler = new Reconciler({
      rows,
      enqueuer,
      partitions: ledger.partitions,
      counts: counts.deliveries,
      logger,
      overdueMs: timings.overdueMs,
    })
    for (const rule of parts.rules.values()) this.#begin(rule)
    const onFailure = (error: unknown) => logger.warn({ err: error }, 'looking after jobs failed')
    this.#loops = [
      startUpkeep({
        rows,
        leadership: this.#leadership,
        reconciler,
        scheduler,
        enqueuer,
        keepSeconds: config.keepSeconds,
        logger,
      }),
      startLoop({ restMs: keepMs, work: () => this.#keep(), onFailure }),
      startLoop({ restMs: lookAfterMs, work: () => this.#workers.lookAfter(), onFailure }),
    ]
    if (!redis && (parts.rules.size > 0 || parts.declared.length > 0))
      logger.warn('jobs need a redis, and none is configured: deliveries and schedules wait in Postgres')
  }

  /** A rule that was declared only now; the next look makes it known where this does not succeed. */
  addRule(rule: Rule): void {
    const { rows, logger } = this.#parts
    rows
      .run(sql => declareRules(sql, [rule]))
      .then(() => this.#begin(rule))
      .catch(error => {
        logger.warn({ err: error, rule: rule.name }, 'a rule could not be declared yet; it is tried again')
      })
  }

  /** Begins with the rules that have waited for this handler. */
  addHandler(name: string): void {
    for (const rule of this.#parts.rules.values())
      if (rule.target.kind === 'handler' && rule.target.handler === name) this.#begin(rule)
  }

  async close(withinMs: number): Promise<void> {
    await Promise.all([this.#workers.close(withinMs), ...this.#loops.map(loop => loop.stop())])
    this.#redis?.workers.close()
    this.#redis?.jobs.close()
    await Promise.all([this.#turns.close(), this.#leadership.close()])
  }

  /** The group that matches is joined with the first rule, which has made it known. */
  #begin(rule: Rule): void {
    if (!this.#joined) {
      this.#joined = true
      this.#parts.groups
        .systemGroup(jobsGroup, { mode: 'ordered', start: 'now', batchSize })
        .on('*', '*', this.#matching.handle)
    }
    const { target } = rule
    if (target.kind === 'queue') return
    const handler = target.kind === 'handler' ? this.#parts.handlers.get(target.handler) : undefined
    if (target.kind === 'webhook' || handler) this.#workers.begin(rule, handler)
    else this.#tellOfMissing(rule.name, target.handler)
  }

  #tellOfMissing(rule: string, handler: string): void {
    this.#parts.logger.warn(
      { rule, handler },
      'this process has no such handler: the rule’s deliveries wait for one that has',
    )
  }

  async #keep(): Promise<void> {
    const { rows, rules, declared } = this.#parts
    const mine = [...rules.values()]
    if (!(await rows.run(sql => keepRules(sql, mine)))) {
      await rows.run(sql => declareRules(sql, mine))
      for (const rule of mine) this.#begin(rule)
    }
    const names = declared.map(({ name }) => name)
    if (await rows.run(sql => keepSchedules(sql, names))) return
    for (const schedule of declared) await rows.run(sql => saveSchedule(sql, schedule, { declared: true }))
  }
}
