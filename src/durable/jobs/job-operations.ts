import { HoldfastError } from '../../domain/index.ts'
import { type Sql, transaction } from '../../platform/index.ts'
import { type Actor, removeRule } from './rule-removal.ts'
import { type StoredRule, storedRules } from './rule-rows.ts'
import { checkSchedule, type NewSchedule, type Schedule } from './schedules/schedule.ts'
import { listSchedules, removeSchedule, saveSchedule, scheduleNamed } from './schedules/schedule-rows.ts'

/** How a rule fares: what it still owes. */
export interface RuleSummary {
  readonly name: string
  readonly channel: string
  /** Null: all. */
  readonly types: readonly string[] | null
  readonly target: 'webhook' | 'handler' | 'queue'
  /** The handler's or the queue's name; null for a webhook. */
  readonly to: string | null
  /** Whether a process declares it now. If none does, what it owes waits. */
  readonly declared: boolean
  /** When it was first seen, in milliseconds since 1970. */
  readonly created: number
  readonly queued: number
  /** Of those queued: how many have failed at least once. */
  readonly failing: number
  readonly parked: number
  /** When the oldest event was recorded as owed that is still queued or parked; null where there is none. */
  readonly oldestOpen: number | null
}

/** Numbers over all rules and schedules, cheap enough to be asked for every few seconds. */
export interface JobTotals {
  readonly rules: readonly {
    readonly rule: string
    readonly queued: number
    readonly parked: number
    /** Seconds since the oldest delivery became due that is not made yet. */
    readonly overdueSeconds: number
  }[]
  readonly schedules: { readonly active: number; readonly paused: number; readonly failing: number }
}

/** Rules, and what happens by the clock. Every change is recorded with the one who made it. */
export interface JobOperations {
  rules(): Promise<RuleSummary[]>
  /**
   * Ends a rule that no process declares any more: it is applied no longer, and what it owes is discarded.
   * @throws HoldfastError REQUEST_INVALID where there is none of this name, or a process declares it
   */
  removeRule(name: string, by: Actor): Promise<{ discarded: number }>
  counts(): Promise<JobTotals>
  /** By name. `next` is the `after` of the page that follows; there is none after the last. */
  schedules(page: {
    readonly limit: number
    readonly after?: string | undefined
  }): Promise<{ schedules: Schedule[]; next?: string }>
  /**
   * Writes a schedule down, in place of what has had its name.
   * @throws HoldfastError REQUEST_INVALID, CHANNEL_INVALID; REQUEST_INVALID, too, for a name of the configuration's
   */
  schedule(schedule: NewSchedule, by: Actor): Promise<Schedule>
  /** @throws HoldfastError REQUEST_INVALID where there is none of this name, or the configuration declares it */
  unschedule(name: string, by: Actor): Promise<void>
  /**
   * A paused schedule does not happen; one that is resumed happens for the latest time that it has missed.
   * `changed` is false where it was so already.
   * @throws HoldfastError REQUEST_INVALID where there is none of this name
   */
  pauseSchedule(name: string, by: Actor): Promise<{ changed: boolean }>
  resumeSchedule(name: string, by: Actor): Promise<{ changed: boolean }>
}

type Counted = Pick<RuleSummary, 'queued' | 'failing' | 'parked' | 'oldestOpen'> & {
  name: string
}

export function jobOperations(sql: Sql): JobOperations {
  async function named(name: string): Promise<Schedule> {
    const found = await scheduleNamed(sql, name)
    if (found) return found
    throw new HoldfastError('REQUEST_INVALID', `there is no schedule ${name.slice(0, 80)}`)
  }

  async function setPaused(name: string, paused: boolean, by: Actor): Promise<{ changed: boolean }> {
    await named(name)
    const act = paused ? 'pause_schedule' : 'resume_schedule'
    const changed = await sql`
      with changed as (
        update holdfast.schedules set paused = ${paused} where name = ${name} and paused <> ${paused} returning name
      )
      ${recorded(sql, act, by)}`
    return { changed: changed.count > 0 }
  }

  return {
    async rules() {
      const [rules, counts] = await Promise.all([storedRules(sql), countedByRule(sql)])
      return rules.map(rule => summaryOf(rule, counts.get(rule.name)))
    },
    removeRule: (name, by) => removeRule(sql, name, by),
    counts: () => totals(sql),
    async schedules({ limit, after }) {
      const found = await listSchedules(sql, limit + 1, after)
      const schedules = found.slice(0, limit)
      const last = schedules.at(-1)
      return found.length > limit && last ? { schedules, next: last.name } : { schedules }
    },
    async schedule(schedule, by) {
      checkSchedule(schedule)
      await transaction(sql, async tx => {
        if (!(await saveSchedule(tx, schedule, { declared: false })))
          throw belongsToConfiguration(schedule.name)
        await tx`with changed as (select ${schedule.name} as name) ${recorded(tx as unknown as Sql, 'schedule', by)}`
      })
      return named(schedule.name)
    },
    async unschedule(name, by) {
      const { declared, resting } = await named(name)
      if (declared && !resting) throw belongsToConfiguration(name)
      await transaction(sql, async tx => {
        if (!(await removeSchedule(tx, name))) return
        await tx`with changed as (select ${name} as name) ${recorded(tx as unknown as Sql, 'unschedule', by)}`
      })
    },
    pauseSchedule: (name, by) => setPaused(name, true, by),
    resumeSchedule: (name, by) => setPaused(name, false, by),
  }
}

function recorded(sql: Sql, act: string, { actor, reason }: Actor) {
  return sql`
    insert into holdfast.acts (time, actor, act, target, reason)
    select floor(extract(epoch from clock_timestamp()) * 1000), ${actor}::text, ${act}::text, 'schedule ' || name,
           ${reason ?? null}::text
    from changed`
}

function belongsToConfiguration(name: string): HoldfastError {
  return new HoldfastError(
    'REQUEST_INVALID',
    `the schedule ${name} belongs to the configuration; change it there`,
  )
}

/** Only open deliveries are counted: they have an index of their own, the others may be millions. */
async function countedByRule(sql: Sql): Promise<ReadonlyMap<string, Counted>> {
  const rows = await sql<Counted[]>`
    select substr(consumer, 6) as name,
           count(*) filter (where state = 'queued') as queued,
           count(*) filter (where state = 'queued' and attempts > 0) as failing,
           count(*) filter (where state = 'parked') as parked,
           min(created) as "oldestOpen"
    from holdfast.deliveries
    where consumer like 'rule/%' and state in ('queued', 'parked') group by consumer`
  return new Map(rows.map(row => [row.name, row]))
}

function summaryOf(rule: StoredRule, counted: Counted | undefined): RuleSummary {
  const { name, channel, types, target, to = null, declared, created } = rule
  const none = { queued: 0, failing: 0, parked: 0, oldestOpen: null }
  return { name, channel, types, target, to, declared, created, ...none, ...counted }
}

async function totals(sql: Sql): Promise<JobTotals> {
  const [rules, [schedules]] = await Promise.all([
    sql<JobTotals['rules'][number][]>`
      select r.name as rule,
             count(d.id) filter (where d.state = 'queued') as queued,
             count(d.id) filter (where d.state = 'parked') as parked,
             greatest(0, floor(extract(epoch from clock_timestamp())
               - min(case when d.due > 0 then d.due else d.updated end) filter (where d.state = 'queued') / 1000.0))::int
               as "overdueSeconds"
      from holdfast.job_rules as r
      left join holdfast.deliveries as d on d.consumer = 'rule/' || r.name and d.state in ('queued', 'parked')
      group by r.name order by r.name`,
    sql<JobTotals['schedules'][]>`
      select count(*) filter (where due is not null and not paused) as active,
             count(*) filter (where paused) as paused,
             count(*) filter (where failure is not null) as failing
      from holdfast.schedules`,
  ])
  return {
    rules: rules.map(rule => ({ ...rule, overdueSeconds: rule.overdueSeconds ?? 0 })),
    schedules: schedules ?? { active: 0, paused: 0, failing: 0 },
  }
}
