import { asHoldfastError, eventIdFrom, type NewEvent } from '../../../domain/index.ts'
import type { Logger } from '../../../platform/index.ts'
import type { AnsweringPool } from '../../ledger/answering-pool.ts'
import type { JobCounts } from '../job-counts.ts'
import type { JobRedis } from '../job-redis.ts'
import type { JobEnd } from '../job-worker.ts'
import { latestUpTo, nextAfter } from './occurrences.ts'
import type { Schedule } from './schedule.ts'
import { type DueTime, dueUpTo, moveSchedule, noteFailure, scheduleNamed } from './schedule-rows.ts'

/** What a schedule does, under the rules of the contract. */
export interface ScheduledActs {
  append(event: NewEvent): Promise<unknown>
  publish(publication: { readonly channel: string; readonly data: string }): Promise<unknown>
}

export interface SchedulerOptions {
  readonly rows: AnsweringPool
  readonly redis: JobRedis | undefined
  readonly prefix: string
  readonly acts: ScheduledActs
  readonly counts: JobCounts
  readonly logger: Logger
}

export const schedulesQueue = 'schedules'
/** All schedules that are not the configuration's are counted under this. */
const otherSchedules = '(other)'
/** Ids of events that schedules append are derived in this namespace, so that a time is appended once. */
const idNamespace = '5f0c3f8e-6f0a-5c1d-9a63-0d9c1f0f7a54'

/** Timers are set so long ahead: what lies further away stays in Postgres alone. */
const aheadMs = 60_000
const perPass = 1_000
/** What is overdue by so much has lost its timer. */
const lostMs = 3_000
const earlyToleranceMs = 250
const againMs = 5_000
const againAfterMistakeMs = 30_000

/**
 * Lets schedules happen. The row says when; the job in Redis is the alarm clock, which can be lost and set again. An
 * append's id is derived from schedule and time: however often it is tried, and by however many, it is one event.
 */
export class Scheduler {
  readonly #options: SchedulerOptions
  /** The timers that this process has set. */
  readonly #timers = new Map<string, number>()
  /** Where the look at what is due goes on; null: at its beginning. */
  #place: DueTime | null = null

  constructor(options: SchedulerOptions) {
    this.#options = options
  }

  /**
   * Sets the timers of what is due soon, and again of what should have happened: a part of it, and the next time the part
   * after that, so that any number of schedules that cannot happen for now keep none of the others waiting.
   */
  async setTimers(): Promise<void> {
    const { rows, redis } = this.#options
    if (!redis?.reachable) return
    const now = Date.now()
    const due = await rows.run(sql => dueUpTo(sql, now + aheadMs, this.#place, perPass))
    this.#place = due.length === perPass ? (due.at(-1) ?? null) : null
    await this.#setTimersOf(
      due.filter(each => this.#timers.get(each.name) !== each.due || each.due < now - lostMs),
    )
    for (const [name, time] of this.#timers) if (time < now - lostMs) this.#timers.delete(name)
  }

  /** Works on one timer. */
  async work(data: unknown): Promise<JobEnd> {
    const { rows, counts, logger } = this.#options
    const { name, due } = (data ?? {}) as Partial<DueTime>
    if (typeof name !== 'string' || typeof due !== 'number') return 'ended'
    try {
      const schedule = await rows.run(sql => scheduleNamed(sql, name))
      if (schedule?.due !== due || schedule.paused || schedule.resting) {
        counts.count(countedAs(schedule), 'suppressed')
        return 'ended'
      }
      const earlyMs = due - Date.now()
      return earlyMs > earlyToleranceMs ? { afterMs: earlyMs } : await this.#happen(schedule, due)
    } catch (error) {
      logger.warn({ err: error, schedule: name }, 'a schedule could not be looked at; it comes again')
      return { afterMs: againMs }
    }
  }

  /** Of times that were missed, while nobody was there to work, only the latest happens. */
  async #happen(schedule: Schedule, due: number): Promise<JobEnd> {
    const now = Math.max(due, Date.now())
    const time = latestUpTo(schedule, due, now)
    const next = nextAfter(schedule, now)
    const { name } = schedule
    if (time > due) {
      const missed = { schedule: name, since: new Date(due), happens: new Date(time) }
      this.#options.logger.warn(missed, 'a schedule has missed times; only the latest happens')
    }
    return schedule.act === 'append'
      ? this.#append(schedule, time, next)
      : this.#publish(schedule, time, next)
  }

  async #append(schedule: Schedule, time: number, next: number | null): Promise<JobEnd> {
    const { acts, counts, logger } = this.#options
    const { name, created, channel, type, data } = schedule
    const id = eventIdFrom(idNamespace, `${name} ${created} ${time}`)
    try {
      await acts.append({ channel, type: type ?? '', data, id })
    } catch (thrown) {
      const error = asHoldfastError(thrown)
      const passing = error.remedy === 'retry_later' || error.code === 'INTERNAL'
      logger[passing ? 'warn' : 'error']({ err: thrown, schedule: name }, 'a schedule could not append')
      counts.count(countedAs(schedule), passing ? 'retried' : 'discarded')
      if (!passing) return this.#move(schedule, { due: next, lastDue: null, failure: error.message })
      await this.#options.rows.run(sql => noteFailure(sql, schedule, error.message))
      return { afterMs: error.code === 'INTERNAL' ? againAfterMistakeMs : againMs }
    }
    counts.count(countedAs(schedule), 'done')
    return this.#move(schedule, { due: next, lastDue: time, failure: null })
  }

  /** The row first: of those who come to the same time only one publishes, and none does it twice. */
  async #publish(schedule: Schedule, time: number, next: number | null): Promise<JobEnd> {
    const { acts, counts, logger, rows } = this.#options
    const { name, channel, data } = schedule
    const moved = await rows.run(sql =>
      moveSchedule(sql, schedule, { due: next, lastDue: time, failure: null }),
    )
    if (!moved) {
      counts.count(countedAs(schedule), 'suppressed')
      return 'ended'
    }
    try {
      await acts.publish({ channel, data })
      counts.count(countedAs(schedule), 'done')
    } catch (error) {
      counts.count(countedAs(schedule), 'discarded')
      logger.error({ err: error, schedule: name }, 'a schedule could not publish')
      await rows.run(sql => noteFailure(sql, schedule, asHoldfastError(error).message))
    }
    if (next !== null) await this.#follow({ name, due: next })
    return 'ended'
  }

  async #move(
    schedule: Schedule,
    to: { due: number | null; lastDue: number | null; failure: string | null },
  ): Promise<JobEnd> {
    const moved = await this.#options.rows.run(sql => moveSchedule(sql, schedule, to))
    if (moved && to.due !== null) await this.#follow({ name: schedule.name, due: to.due })
    return 'ended'
  }

  /** What comes within the minute is not left to the next pass. */
  async #follow(time: DueTime): Promise<void> {
    if (time.due > Date.now() + aheadMs) return
    await this.#setTimersOf([time]).catch(error => {
      this.#options.logger.debug({ err: error }, 'a timer could not be set; the next pass sets it')
    })
  }

  async #setTimersOf(times: readonly DueTime[]): Promise<void> {
    const now = Date.now()
    await this.#options.redis?.add(
      schedulesQueue,
      this.#options.prefix,
      times.map(({ name, due }) => ({
        name,
        id: `${name}.${due}`,
        data: { name, due },
        delayMs: Math.max(0, due - now),
      })),
    )
    for (const { name, due } of times) this.#timers.set(name, due)
  }
}

/** Only the configuration's names have a bound: those of what is made elsewhere may be new each time. */
function countedAs(schedule: Schedule | undefined): string {
  return schedule?.declared ? schedule.name : otherSchedules
}
