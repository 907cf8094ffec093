import type { GroupOperations, GroupSummary } from '../../durable/index.ts'
import type { Sql } from '../../platform/index.ts'
import { allBuilds, existing, type KnownBuild } from '../registry.ts'
import type { BuildState } from '../types.ts'

/** How far a build is. */
export interface Progress {
  /** Positions of the ledger that it has passed, of those there are. */
  readonly done: number
  readonly total: number
  /** Positions in a second, on average since it was begun; null once it has caught up, or while nothing is done. */
  readonly rate: number | null
  /** At that rate. */
  readonly secondsLeft: number | null
}

export interface BuildReport extends Pick<GroupSummary, 'members' | 'paused' | 'lag' | 'open'> {
  readonly build: number
  readonly version: number
  readonly state: BuildState
  /** The consumer group that fills it. */
  readonly group: string
  /** Whether a process has begun with it; until then nothing is known of its group. */
  readonly known: boolean
  /** By the names readers know them by. */
  readonly tables: readonly string[]
  readonly progress: Progress
  /** Times are milliseconds since 1970, null where it has not happened. */
  readonly created: number
  readonly caughtUp: number | null
  /** When readers were last switched to it, and by whom. */
  readonly switched: number | null
  readonly switchedBy: string | null
  /** Who asked for it; null: the first process that declared the version. */
  readonly requestedBy: string | null
}

export interface ProjectionReport {
  readonly name: string
  /** The build that readers see; null while there is none. */
  readonly active: number | null
  readonly version: number | null
  /** All that are not dropped, the oldest first. */
  readonly builds: readonly BuildReport[]
}

/** Where a group does not exist yet nothing is known of it. */
const nothingKnown = {
  members: 0,
  paused: false,
  total: 0,
  lag: { events: 0, seconds: 0 },
  open: { parked: 0, retrying: 0, waiting: 0 },
} satisfies Partial<GroupSummary>

/** All projections that have builds, by name. */
export async function projectionReports(
  sql: Sql,
  groups: Pick<GroupOperations, 'list'>,
): Promise<readonly ProjectionReport[]> {
  const [builds, summaries] = await Promise.all([allBuilds(sql), groups.list()])
  const names = [...new Set(builds.map(({ projection }) => projection))].sort()
  return names
    .map(name => reportOf(name, builds, summaries))
    .filter(({ builds: present }) => present.length > 0)
}

/** One of them. @throws HoldfastError REQUEST_INVALID where there is no such projection */
export async function projectionReport(
  sql: Sql,
  groups: Pick<GroupOperations, 'list'>,
  name: string,
): Promise<ProjectionReport> {
  const [builds, summaries] = await Promise.all([allBuilds(sql, name), groups.list()])
  return reportOf(name, existing(name, builds), summaries)
}

function reportOf(
  name: string,
  all: readonly KnownBuild[],
  summaries: readonly GroupSummary[],
): ProjectionReport {
  const builds = all.filter(({ projection, state }) => projection === name && state !== 'dropped')
  const active = builds.find(({ state }) => state === 'active')
  const byGroup = new Map(summaries.map(each => [each.name, each]))
  return {
    name,
    active: active?.id ?? null,
    version: active?.version ?? null,
    builds: builds.map(build => buildReport(build, byGroup.get(build.group))),
  }
}

function buildReport(build: KnownBuild, summary: GroupSummary | undefined): BuildReport {
  const { members, paused, total, lag, open } = summary ?? nothingKnown
  return {
    build: build.id,
    version: build.version,
    state: build.state,
    group: build.group,
    known: summary !== undefined,
    tables: Object.keys(build.tables),
    progress: progressOf(build, total, lag.events),
    members,
    paused,
    lag,
    open,
    created: build.created,
    caughtUp: build.caughtUp ?? null,
    switched: build.switched ?? null,
    switchedBy: build.switchedBy ?? null,
    requestedBy: build.requestedBy ?? null,
  }
}

function progressOf(
  { created, caughtUp }: Pick<KnownBuild, 'created' | 'caughtUp'>,
  total: number,
  before: number,
): Progress {
  const done = Math.max(0, total - before)
  const seconds = (Date.now() - created) / 1_000
  if (caughtUp !== undefined || done === 0 || seconds <= 0)
    return { done, total, rate: null, secondsLeft: null }
  const rate = done / seconds
  return { done, total, rate: Math.round(rate), secondsLeft: Math.ceil(before / rate) }
}
