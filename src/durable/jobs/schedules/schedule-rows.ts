import type { Sql, Transaction } from '../../../platform/index.ts'
import { textArray } from '../../ledger/array-literal.ts'
import { firstDue, type NewSchedule, type Schedule } from './schedule.ts'

/** A schedule of the configuration that no process has declared for so long rests, */
const declaredMs = 600_000
/** and is removed after this: what it has missed while its processes were away for a while is not forgotten. */
const rememberedMs = 7 * 86_400_000

function columns(sql: Sql | Transaction) {
  return sql`name, cron, every_seconds as "everySeconds", zone, act, channel, type, data, due, last_due as "lastDue",
             failure, declared, declared and seen < ${Date.now() - declaredMs} as resting, paused, created`
}

/** So many at most, by name, after one. */
export function listSchedules(sql: Sql, limit: number, after = ''): Promise<Schedule[]> {
  return sql<Schedule[]>`
    select ${columns(sql)} from holdfast.schedules
    where name > ${after} collate "C" order by name limit ${limit}`
}

export async function scheduleNamed(sql: Sql, name: string): Promise<Schedule | undefined> {
  const [row] = await sql<Schedule[]>`select ${columns(sql)} from holdfast.schedules where name = ${name}`
  return row
}

/**
 * Writes a schedule down. One that says the same about when keeps its place, so that a process which declares it at every
 * start delays nothing, and makes nothing happen again. False: the name belongs to a schedule of the configuration, and this is none.
 */
export async function saveSchedule(
  sql: Sql | Transaction,
  schedule: NewSchedule,
  { declared }: { declared: boolean },
): Promise<boolean> {
  const { name, cron, everySeconds, zone, act, channel, type, data } = schedule
  const now = Date.now()
  const due = firstDue(schedule, now)
  const saved = await sql`
    insert into holdfast.schedules as s
      (name, cron, every_seconds, zone, act, channel, type, data, due, declared, seen, created)
    values (${name}, ${cron}, ${everySeconds}, ${zone}, ${act}, ${channel}, ${type}, ${data}, ${due}, ${declared},
            ${declared ? now : null}, ${now})
    on conflict (name) do update
    set (cron, every_seconds, zone, act, channel, type, data, declared, seen) =
          (excluded.cron, excluded.every_seconds, excluded.zone, excluded.act, excluded.channel, excluded.type,
           excluded.data, excluded.declared, excluded.seen),
        (due, created, failure) = (select
          case when k.kept then s.due else excluded.due end,
          case when k.kept then s.created else excluded.created end,
          case when k.kept then s.failure end
          from (select (s.cron, s.every_seconds, s.zone)
                       is not distinct from (excluded.cron, excluded.every_seconds, excluded.zone)
                  and case when coalesce(excluded.cron, excluded.every_seconds::text) is not null
                           then s.due is not null
                           -- What happens once has happened for its last time, or is yet to.
                           else excluded.due in (s.due, s.last_due) end as kept) as k)
    where excluded.declared or not s.declared`
  return saved.count > 0
}

/** Takes a schedule away. False: there is none, or a process declares it. */
export async function removeSchedule(sql: Sql | Transaction, name: string): Promise<boolean> {
  const removed = await sql`
    delete from holdfast.schedules
    where name = ${name} and not (declared and seen >= ${Date.now() - declaredMs})`
  return removed.count > 0
}

/** Says that schedules are still declared. False: some have to be declared anew. */
export async function keepSchedules(sql: Sql, names: readonly string[]): Promise<boolean> {
  if (names.length === 0) return true
  const kept = await sql`
    update holdfast.schedules set seen = ${Date.now()}
    where declared and name = any(${textArray(names, name => name)}::text[])`
  return kept.count === names.length
}

/** A time at which a schedule is due. */
export interface DueTime {
  readonly name: string
  readonly due: number
}

/** What is due up to a time, the earliest first, after what was the last of the part before. */
export function dueUpTo(sql: Sql, time: number, after: DueTime | null, limit: number): Promise<DueTime[]> {
  const { due, name } = after ?? { due: -1, name: '' }
  return sql<DueTime[]>`
    select name, due from holdfast.schedules
    where due <= ${time} and (due, name) > (${due}::bigint, ${name} collate "C")
      and not paused and not (declared and seen < ${Date.now() - declaredMs})
    order by due, name limit ${limit}`
}

/**
 * It has happened for `lastDue` (null: it could not), and is due next at `due`. False: somebody else has moved it, or it was
 * changed, paused or removed meanwhile.
 */
export async function moveSchedule(
  sql: Sql,
  from: Schedule,
  to: { readonly due: number | null; readonly lastDue: number | null; readonly failure: string | null },
): Promise<boolean> {
  const moved = await sql`
    update holdfast.schedules
    set due = ${to.due}, last_due = coalesce(${to.lastDue}::bigint, last_due), failure = ${to.failure}
    where name = ${from.name} and due = ${from.due} and created = ${from.created} and not paused`
  return moved.count > 0
}

/** Why it has not happened. */
export async function noteFailure(
  sql: Sql,
  { name, created }: Pick<Schedule, 'name' | 'created'>,
  failure: string,
): Promise<void> {
  await sql`update holdfast.schedules set failure = ${failure} where name = ${name} and created = ${created}`
}

/** Removes what has happened once and is over for so long. */
export async function removeEnded(sql: Sql, keepSeconds: number): Promise<void> {
  await sql`
    delete from holdfast.schedules
    where due is null and not declared and greatest(last_due, created) < ${Date.now() - keepSeconds * 1_000}`
}

/** Removes what no process has declared for a week. Returns the names. */
export async function forgetUndeclared(sql: Sql): Promise<string[]> {
  const forgotten = await sql<{ name: string }[]>`
    delete from holdfast.schedules where declared and seen < ${Date.now() - rememberedMs} returning name`
  return forgotten.map(({ name }) => name)
}
