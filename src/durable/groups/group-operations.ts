import { HoldfastError } from '../../domain/index.ts'
import type { Sql } from '../../platform/index.ts'
import { type GroupDetail, type GroupSummary, groupDetail, groupSummaries } from './group-report.ts'
import { ownPrefix } from './settings.ts'
import { sqlState } from './sql-state.ts'

export interface GroupActor {
  /** Who does it, for the record. */
  readonly actor: string
  readonly reason?: string | undefined
}

export interface GroupOperations {
  list(): Promise<readonly GroupSummary[]>
  /** @throws HoldfastError REQUEST_INVALID where there is no such group */
  show(name: string): Promise<GroupDetail>
  /** Its workers leave everything where it is, within about a second. @throws HoldfastError REQUEST_INVALID */
  pause(name: string, by: GroupActor): Promise<{ readonly changed: boolean }>
  /** @throws HoldfastError REQUEST_INVALID */
  resume(name: string, by: GroupActor): Promise<{ readonly changed: boolean }>
  /**
   * Takes it away for good: its places, and what it still owes. A worker that declares it again begins as a new group.
   * @throws HoldfastError REQUEST_INVALID where there is no such group, it is the system's own, or its handlers are at work
   *   and do not end within seconds
   */
  remove(name: string, by: GroupActor): Promise<{ readonly discarded: number }>
  /** For metrics. */
  lags(): Promise<readonly Pick<GroupSummary, 'name' | 'lag' | 'open'>[]>
}

/** What operators see of consumer groups and may do to them: statements on Postgres, whichever workers run. */
export function groupOperations(sql: Sql): GroupOperations {
  return {
    list: () => groupSummaries(sql),
    async show(name) {
      return (await groupDetail(sql, name)) ?? unknown(name)
    },
    pause: (name, by) => setPaused(sql, name, true, by),
    resume: (name, by) => setPaused(sql, name, false, by),
    async remove(name, { actor, reason }) {
      if (name.startsWith(ownPrefix))
        throw new HoldfastError('REQUEST_INVALID', `${name} is the system's own; it cannot be removed`)
      const [row] = await sql<{ discarded: number | null }[]>`
        select holdfast.remove_group(${name}, ${actor}, ${reason ?? null}) as discarded`.catch(atWork)
      return { discarded: row?.discarded ?? unknown(name) }
    },
    async lags() {
      return (await groupSummaries(sql)).map(({ name, lag, open }) => ({ name, lag, open }))
    },
  }
}

async function setPaused(
  sql: Sql,
  name: string,
  paused: boolean,
  { actor, reason }: GroupActor,
): Promise<{ changed: boolean }> {
  const [row] = await sql<{ known: boolean; changed: boolean }[]>`
    with changed as (
      update holdfast.groups set paused = ${paused} where name = ${name} and paused <> ${paused} returning name
    ), recorded as (
      insert into holdfast.acts (time, actor, act, target, reason)
      select floor(extract(epoch from clock_timestamp()) * 1000), ${actor}, ${paused ? 'pause_group' : 'resume_group'},
             'group ' || name, ${reason ?? null}::text
      from changed
    )
    select exists (select from holdfast.groups where name = ${name}) as known,
           exists (select from changed) as changed`
  if (!row?.known) return unknown(name)
  return { changed: row.changed }
}

/** Postgres: a lock was not free in time. */
function atWork(error: unknown): never {
  if (sqlState(error) !== '55P03') throw error
  throw new HoldfastError(
    'REQUEST_INVALID',
    'handlers of this group are at work; stop its workers, or pause it and wait for them, then remove it',
  )
}

function unknown(name: string): never {
  throw new HoldfastError('REQUEST_INVALID', `there is no group ${JSON.stringify(name.slice(0, 80))}`)
}
