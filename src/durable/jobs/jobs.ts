import { HoldfastError } from '../../domain/index.ts'
import { connectPostgres, isCluster, type RuleInput } from '../../platform/index.ts'
import type { Handler } from '../groups/types.ts'
import { AnsweringPool } from '../ledger/answering-pool.ts'
import { type ErasedPlace, forgetEvent } from './forget-event.ts'
import { JobCounts } from './job-counts.ts'
import { configuredRule, type Rule, ruleOf } from './rule.ts'
import { type RunningJobs, startJobs } from './running-jobs.ts'
import { type NewSchedule, type ScheduleOptions, scheduleFrom } from './schedules/schedule.ts'
import { removeSchedule, saveSchedule, scheduleNamed } from './schedules/schedule-rows.ts'
import type { Jobs, JobsOptions, JobsStatus } from './types.ts'
import { createWebhookDeliverer, type WebhookDeliverer } from './webhooks/webhook-deliverer.ts'

/** Statements of ours take milliseconds; the server gives one up after 10 s. */
const answerMs = 12_000
const rowsPoolSize = 3

/**
 * Rules and schedules of one process. Nothing runs before `work`, and no Redis is connected to.
 * @throws HoldfastError CONFIG_INVALID for the configuration's rules and schedules
 */
export function createJobs(options: JobsOptions): Jobs {
  return new ProcessJobs(options)
}

class ProcessJobs implements Jobs {
  readonly #options: JobsOptions
  readonly #rows: AnsweringPool
  readonly #webhooks: WebhookDeliverer
  readonly #rules = new Map<string, Rule>()
  readonly #handlers = new Map<string, Handler>()
  readonly #declared: NewSchedule[]
  readonly #counts = { deliveries: new JobCounts(), schedules: new JobCounts() }
  #starting: Promise<RunningJobs> | undefined
  #running: RunningJobs | undefined

  constructor(options: JobsOptions) {
    this.#options = options
    const { url, logger, config } = options
    this.#declared = Object.entries(config.schedules).map(([name, schedule]) => {
      try {
        return scheduleFrom(name, schedule)
      } catch (error) {
        throw new HoldfastError('CONFIG_INVALID', `schedule ${name}: ${(error as Error).message}`)
      }
    })
    const open = () =>
      connectPostgres(url, {
        max: rowsPoolSize,
        applicationName: 'holdfast-jobs',
        settings: { enable_seqscan: 'off', enable_bitmapscan: 'off', jit: 'off' },
        logger,
      })
    this.#rows = new AnsweringPool(open, { timeoutMs: answerMs, graceSeconds: 5 })
    this.#webhooks = createWebhookDeliverer({ url, logger })
    for (const [name, rule] of Object.entries(config.rules)) this.#add(configuredRule(name, rule))
  }

  rule(name: string, definition: RuleInput): void {
    const rule = ruleOf(name, definition)
    this.#add(rule)
    this.#running?.addRule(rule)
  }

  handler(name: string, handler: Handler): void {
    if (this.#handlers.has(name)) throw twice(`the handler ${name}`)
    if (typeof handler !== 'function')
      throw new HoldfastError('CONFIG_INVALID', `the handler ${name}: expected a function`)
    this.#handlers.set(name, handler)
    this.#running?.addHandler(name)
  }

  async schedule(name: string, options: ScheduleOptions): Promise<void> {
    const schedule = scheduleFrom(name, options)
    const saved = await this.#rows.run(sql => saveSchedule(sql, schedule, { declared: false }))
    if (!saved) throw declaredElsewhere(name)
  }

  async unschedule(name: string): Promise<boolean> {
    if (await this.#rows.run(sql => removeSchedule(sql, name))) return true
    const there = await this.#rows.run(sql => scheduleNamed(sql, name))
    if (there?.declared) throw declaredElsewhere(name)
    return false
  }

  async work(): Promise<void> {
    this.#starting ??= this.#start()
    try {
      this.#running = await this.#starting
    } catch (error) {
      this.#starting = undefined
      throw error
    }
  }

  async forget(place: ErasedPlace): Promise<void> {
    if (this.#options.redis === undefined) return
    if (!this.#running) throw new HoldfastError('NOT_AVAILABLE', 'this process does not work on jobs')
    await forgetEvent(this.#rows, this.#running.enqueuer, place)
  }

  status(): JobsStatus {
    const reachable = this.#running?.enqueuer.reachable ?? false
    return {
      deliveries: this.#counts.deliveries.list(),
      schedules: this.#counts.schedules.list(),
      redis: this.#options.redis === undefined ? 'not_configured' : reachable ? 'ready' : 'unreachable',
    }
  }

  async close(withinMs: number): Promise<void> {
    const running = await this.#starting?.catch(() => undefined)
    await running?.close(withinMs)
    await this.#webhooks.close()
    await this.#rows.close()
  }

  async #start(): Promise<RunningJobs> {
    for (const rule of this.#rules.values()) this.#declare(rule)
    return startJobs({
      ...this.#options,
      rows: this.#rows,
      webhooks: this.#webhooks,
      rules: this.#rules,
      handlers: this.#handlers,
      declared: this.#declared,
      counts: this.#counts,
    })
  }

  #add(rule: Rule): void {
    if (this.#rules.has(rule.name)) throw twice(`the rule ${rule.name}`)
    if (isCluster(this.#options.redis)) refuseScattered(rule)
    if (this.#starting) this.#declare(rule)
    this.#rules.set(rule.name, rule)
  }

  /** Secrets are looked up only here: a process that does not work on jobs need not have them. */
  #declare({ name, target }: Rule): void {
    if (target.kind === 'webhook') this.#webhooks.declare(name, target.webhook)
  }
}

/** BullMQ's scripts touch many keys of a queue at once, which a Redis Cluster allows within a slot only. */
function refuseScattered({ name, target }: Rule): void {
  if (target.kind !== 'queue' || /\{[^}]+\}/.test(`${target.prefix}:${target.queue}`)) return
  throw new HoldfastError(
    'CONFIG_INVALID',
    `rule ${name}: on a Redis Cluster a queue needs a hash tag: expected braces in its prefix, like {${target.prefix}}, got ${target.prefix}`,
  )
}

function twice(what: string): HoldfastError {
  return new HoldfastError('CONFIG_INVALID', `${what} is declared twice`)
}

function declaredElsewhere(name: string): HoldfastError {
  return new HoldfastError(
    'REQUEST_INVALID',
    `the schedule ${name} belongs to the configuration; change it there`,
  )
}
