import { randomUUID } from 'node:crypto'
import { HoldfastError } from '../../domain/index.ts'
import { connectPostgres, type Logger } from '../../platform/index.ts'
import type { PoolUse } from '../ledger/answering-pool.ts'
import type { LogAccess } from '../log-access.ts'
import { createCompetingRunner } from './competing.ts'
import { GroupStore } from './group-store.ts'
import { LogReader } from './log-reader.ts'
import { News } from './news.ts'
import { createOrderedRunner } from './ordered.ts'
import type { Runner, RunnerParts } from './runner.ts'
import { checkGroupName, groupSettings } from './settings.ts'
import { Turns } from './turn.ts'
import type { Group, GroupOptions, Groups } from './types.ts'
import { WorkingGroup } from './working-group.ts'

type Mode = 'ordered' | 'competing'

export interface GroupsOptions {
  readonly log: LogAccess
  /** Of Postgres. */
  readonly url: string
  /** How long a process that is not heard of keeps its partitions. */
  readonly leaseMs: number
  /** Connections for handlers: so many turns are under way at a time in this process. */
  readonly poolSize: number
  /** Whether handlers may use drizzle over their transactions (`ormOver`); JSON and times then come as text otherwise. */
  readonly orm?: boolean
  /** For people. */
  readonly nodeName: string
  readonly logger: Logger
}

/** The groups of one process, the system's own among them. */
export interface SystemGroups extends Groups {
  /** As `group`, for a name that begins with `holdfast.`, which is closed to applications. */
  systemGroup(name: string, options?: GroupOptions): Group
  /** Ends this process's work for one group: finishes what is in hand, at most so long. The group itself stays. */
  end(name: string, withinMs: number): Promise<void>
}

const runners: Record<Mode, (parts: RunnerParts) => Runner> = {
  ordered: createOrderedRunner,
  competing: createCompetingRunner,
}

/** Connections for ticks and what runners keep in Postgres beside their turns. */
const storePoolSize = 2
const statementTimeoutMs = 4_000
const lockTimeoutMs = 3_000

/** Nothing runs, and nothing is asked of Postgres, before `work`. */
export function createGroups(options: GroupsOptions): SystemGroups {
  const { log, url, poolSize, nodeName: node } = options
  const member = { id: randomUUID(), node }
  const groups = new Map<string, WorkingGroup>()
  let working:
    | {
        readonly join: (group: WorkingGroup) => Promise<void>
        readonly pool: () => PoolUse
        readonly end: () => Promise<void>
      }
    | undefined
  let closed = false

  function declare(name: string, internal: boolean, given: GroupOptions): Group {
    checkGroupName(name, internal)
    if (groups.has(name)) throw new HoldfastError('CONFIG_INVALID', `the group ${name} is declared twice`)
    const group = new WorkingGroup(name, groupSettings(name, given), options.logger.child({ group: name }))
    groups.set(name, group)
    // What follows in this turn (`.on(…)`) belongs to it.
    if (working) queueMicrotask(() => void working?.join(group).catch(error => group.refused(error)))
    return group
  }

  function begin() {
    const store = new GroupStore(() =>
      connectPostgres(url, {
        max: storePoolSize,
        applicationName: 'holdfast-groups-store',
        statementTimeoutMs,
        settings: { lock_timeout: `${lockTimeoutMs}`, enable_seqscan: 'off', jit: 'off' },
        logger: options.logger,
      }),
    )
    const turns = new Turns(url, poolSize, options.logger, options.orm)
    const news = new News(log)
    const reader = new LogReader(log, news)
    const parts = { log, store, turns, news, reader }
    return {
      join: (group: WorkingGroup) =>
        group.join({ ...parts, member, leaseMs: options.leaseMs }, runners[group.settings.mode]),
      pool: () => turns.pool,
      async end() {
        news.close()
        await Promise.all([turns.close(), store.close()])
      },
    }
  }

  return {
    group: (name, given = {}) => declare(name, false, given),
    systemGroup: (name, given = {}) => declare(name, true, given),
    async end(name, withinMs) {
      const group = groups.get(name)
      groups.delete(name)
      await group?.close(withinMs)
    },
    async work() {
      if (closed) throw new HoldfastError('SHUTTING_DOWN', 'the groups of this process are closed')
      if (working) return
      const begun = begin()
      working = begun
      await Promise.all([...groups.values()].map(begun.join))
    },
    meters: () => new Map([...groups].map(([name, { meter }]) => [name, meter])),
    pools: () => (working ? [working.pool()] : []),
    status: () => [...groups.values()].map(group => group.status()),
    async close(withinMs) {
      closed = true
      await Promise.all([...groups.values()].map(group => group.close(withinMs)))
      await working?.end()
      working = undefined
    },
  }
}
