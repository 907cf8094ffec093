import { asc, eq, gt } from 'drizzle-orm'
import { HoldfastError } from '../../domain/index.ts'
import type { AnsweringPool, CheckpointWatch, GroupOperations } from '../../durable/index.ts'
import { isConnectionError, ormOver, type Sql, transaction } from '../../platform/index.ts'
import { boundTables, physicalName } from '../bound-tables.ts'
import type { StatesTables } from '../reducer.ts'
import { allBuilds, type KnownBuild } from '../registry.ts'
import type { Build, Projection, ProjectionDb, ProjectionTables, ReducedState, Reducer } from '../types.ts'
import { type ProjectionReport, projectionReport } from './projection-report.ts'
import { reachOf } from './reach.ts'
import { type AtLeast, defaultWithinMs } from './row-query.ts'

export interface ReadOptions {
  /**
   * The build has to have gone past this event before it is read: what an append has returned, to read one's own write. An
   * event that the projection does not want may take it a second.
   */
  readonly atLeast?: AtLeast
  /** How long to wait for that (default 5,000). */
  readonly withinMs?: number
}

/** Reads of the version of a projection that this process declares. */
export interface ProjectionHandle<Tables extends ProjectionTables = ProjectionTables> {
  readonly name: string
  readonly version: number
  /**
   * Reads in one snapshot of one build: all statements of `query` see it at one position, whatever is switched meanwhile.
   * The one that readers see, where it is of this version; else one that is kept up to date beside it.
   * @throws HoldfastError PROJECTION_BEHIND (while no build of this version has caught up, or `atLeast` is not reached in
   *   time), PROJECTION_PARKED, REQUEST_INVALID or POSITION_LOST for `atLeast`; and whatever `query` throws
   */
  read<T>(query: (db: ProjectionDb, tables: Tables) => Promise<T>, options?: ReadOptions): Promise<T>
  /** All builds of the name, and how far they are. */
  status(): Promise<ProjectionReport>
}

export interface ReducerHandle<State = unknown> extends ProjectionHandle<StatesTables<State>> {
  /** The state of a key, undefined where it has none. @throws as `read` */
  get(key: string, options?: ReadOptions): Promise<State | undefined>
  /** States by their keys, at most `limit` (default 100) behind the key `after`. @throws as `read` */
  list(
    page?: ReadOptions & { readonly after?: string; readonly limit?: number },
  ): Promise<readonly ReducedState<State>[]>
}

export interface HandleParts {
  /** For what is asked about builds, before a query. */
  readonly looks: AnsweringPool
  /** Of connections that were opened with `orm: true`. */
  readonly queries: AnsweringPool
  readonly checkpoints: CheckpointWatch
  readonly groups: Pick<GroupOperations, 'list'>
}

const maxAttempts = 5
const defaultList = 100

export function projectionHandle<Tables extends ProjectionTables>(
  projection: Projection<Tables>,
  parts: HandleParts,
): ProjectionHandle<Tables> {
  const { name, version } = projection
  return {
    name,
    version,
    async read(query, { atLeast, withinMs = defaultWithinMs } = {}) {
      const until = performance.now() + withinMs
      for (let attempt = 0; attempt < maxAttempts; attempt++) {
        const build = await readable(projection, parts)
        try {
          await reachOf(parts.checkpoints, build, { atLeast }, until)
        } catch (refusal) {
          // Another one may have taken its place meanwhile, and nobody fill it any more.
          const now = await readable(projection, parts).catch(() => build)
          if (now.id === build.id) throw refusal
          continue
        }
        const answer = await inSnapshot(projection, build, parts, query)
        if (answer) return answer.value
      }
      throw new HoldfastError('PROJECTION_BEHIND', `the builds of ${name} change too fast to be read`)
    },
    status: () => parts.looks.run(sql => projectionReport(sql, parts.groups, name)),
  }
}

export function reducerHandle<State>(
  reducer: Reducer<State, StatesTables<State>>,
  parts: HandleParts,
): ReducerHandle<State> {
  const handle = projectionHandle(reducer as unknown as Projection<StatesTables<State>>, parts)
  return {
    ...handle,
    get: (key, options) =>
      handle.read(async (db, { states }) => {
        const [row] = await db.select({ state: states.state }).from(states).where(eq(states.key, key))
        return row?.state as State | undefined
      }, options),
    list: ({ after, limit = defaultList, ...options } = {}) =>
      handle.read(async (db, { states }) => {
        const behind = after === undefined ? undefined : gt(states.key, after)
        const rows = await db.select().from(states).where(behind).orderBy(asc(states.key)).limit(limit)
        return rows as unknown as readonly ReducedState<State>[]
      }, options),
  }
}

/** @throws HoldfastError PROJECTION_BEHIND where no build of the version has caught up */
async function readable(
  { name, version }: Pick<Projection, 'name' | 'version'>,
  parts: HandleParts,
): Promise<Build> {
  const all = await parts.looks.run(sql => allBuilds(sql, name))
  const builds = all.filter(build => build.version === version)
  const standby = builds.filter(({ state }) => state === 'standby')
  const build = builds.find(({ state }) => state === 'active') ?? latest(standby)
  if (build && Object.keys(build.tables).length > 0) return build
  throw await notYet(name, version, parts)
}

function latest(builds: readonly KnownBuild[]): KnownBuild | undefined {
  return [...builds].sort((a, b) => (b.retired ?? 0) - (a.retired ?? 0) || b.id - a.id)[0]
}

async function notYet(name: string, version: number, { looks, groups }: HandleParts): Promise<HoldfastError> {
  const report = await looks.run(sql => projectionReport(sql, groups, name)).catch(() => undefined)
  const build = report?.builds.find(one => one.version === version && one.state === 'building')
  if (!build) return new HoldfastError('PROJECTION_BEHIND', `version ${version} of ${name} has no build yet`)
  const { done, total } = build.progress
  return new HoldfastError(
    'PROJECTION_BEHIND',
    `version ${version} of ${name} is being built: ${done} of ${total}`,
    { details: { build: build.build, done, total } },
  )
}

/** Undefined where the build is not what it was when it was chosen. */
async function inSnapshot<Tables extends ProjectionTables, T>(
  projection: Projection<Tables>,
  build: Build,
  { queries }: HandleParts,
  query: (db: ProjectionDb, tables: Tables) => Promise<T>,
): Promise<{ readonly value: T } | undefined> {
  const { tables } = boundTables(projection, table => physicalName(projection.name, table, build.id))
  const reading = (orm: Sql) =>
    transaction(orm, async tx => {
      const [, rows] = await Promise.all([
        tx`set transaction isolation level repeatable read, read only`,
        tx<{ state: string }[]>`select state from holdfast.projection_builds where id = ${build.id}`,
      ])
      if (rows[0]?.state !== build.state) return undefined
      return { value: await query(ormOver(tx) as unknown as ProjectionDb, tables) }
    })
  const end = await queries.run(orm =>
    reading(orm).then(
      answer => ({ answer }),
      error => {
        if (isConnectionError(error)) throw error
        return { error }
      },
    ),
  )
  if (!('error' in end)) return end.answer
  if (isGone(end.error, build)) return undefined
  // The application's own: as it was thrown.
  throw end.error
}

/** Dropped since it was chosen. A query of the application's own may miss another table, which is its own mistake. */
function isGone(error: unknown, { tables }: Build): boolean {
  // drizzle wraps what Postgres says.
  const said = (error as { cause?: unknown }).cause ?? error
  const { code, message = '' } = said as { code?: unknown; message?: string }
  return code === '42P01' && Object.values(tables).some(({ physical }) => message.includes(`.${physical}"`))
}
