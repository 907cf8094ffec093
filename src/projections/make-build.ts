import { HoldfastError } from '../domain/index.ts'
import { type Sql, type Transaction, transaction } from '../platform/index.ts'
import { boundTables, described, physicalName, viewName } from './bound-tables.ts'
import { shapeOf, tableStatements } from './ddl.ts'
import { projectionLock } from './locks.ts'
import { allBuilds, type KnownBuild } from './registry.ts'
import type { Projection } from './types.ts'
import { giveAway, qualified, showBuild } from './views.ts'

/** Whoever comes later waits for the one that makes the tables. */
const lockWaitMs = 30_000

/**
 * Makes what a process that declares a projection needs: a build of its version where there has never been one, and the
 * tables of builds that somebody has asked for. The very first build of a name is what readers see at once. Several
 * processes at once make one. True: there may be more than were known.
 * @throws HoldfastError CONFIG_INVALID where a build of this version has other tables; what keeps Postgres from it
 */
export async function makeBuilds(
  sql: Sql,
  projection: Projection,
  known: readonly KnownBuild[],
): Promise<boolean> {
  const shape = shapeOf(projection)
  const namesakes = known.filter(build => build.projection === projection.name)
  if (!lacks(namesakes, projection, shape)) return false
  await transaction(sql, async tx => {
    await lockProjection(tx, projection.name, lockWaitMs)
    const builds = await allBuilds(tx, projection.name)
    if (!lacks(builds, projection, shape)) return
    const own = builds.filter(({ version }) => version === projection.version)
    if (own.length === 0) {
      const first = builds.every(({ state }) => state === 'dropped')
      await insertBuild(tx, projection.name, projection.version, { state: first ? 'active' : 'building' })
    }
    for (const build of await allBuilds(tx, projection.name))
      if (isBare(build, projection.version)) await makeTables(tx, projection, build, shape)
  })
  return true
}

/** @throws HoldfastError CONFIG_INVALID where the tables of this version are others */
function lacks(builds: readonly KnownBuild[], { name, version }: Projection, shape: string): boolean {
  const own = builds.filter(build => build.version === version)
  const other = own.find(build => build.state !== 'dropped' && build.shape && build.shape !== shape)
  if (other)
    throw new HoldfastError(
      'CONFIG_INVALID',
      `projection ${name}: version ${version} exists with other tables; raise the version`,
      { details: { projection: name, version, build: other.id } },
    )
  return own.length === 0 || own.some(build => isBare(build, version))
}

function isBare(build: KnownBuild, version: number): boolean {
  return build.version === version && build.state !== 'dropped' && build.shape === undefined
}

/** One after the other makes, switches and drops builds of a name. */
export async function lockProjection(tx: Transaction, projection: string, waitMs: number): Promise<void> {
  await tx`select set_config('lock_timeout', ${`${waitMs}`}, true)`
  await tx`select pg_advisory_xact_lock(${projectionLock}, hashtext(${projection}))`
}

/** What the names of all builds' groups begin with. */
export const buildGroups = 'holdfast.projection-'

/** Its tables are made by whoever declares the version. */
export async function insertBuild(
  tx: Transaction,
  projection: string,
  version: number,
  { state, requestedBy }: { readonly state: 'active' | 'building'; readonly requestedBy?: string },
): Promise<number> {
  const [row] = await tx<{ id: number }[]>`
    insert into holdfast.projection_builds (projection, version, state, "group", requested_by, switched)
    values (${projection}, ${version}, ${state}, gen_random_uuid()::text, ${requestedBy ?? null},
            case when ${state} = 'active' then now() end)
    returning id`
  const id = row?.id as number
  await tx`
    update holdfast.projection_builds set "group" = ${`${buildGroups}${projection}-${id}`} where id = ${id}`
  await tx`
    insert into holdfast.projections as p (name, active_build)
    values (${projection}, ${state === 'active' ? id : null}::bigint)
    on conflict (name) do update set active_build = coalesce(excluded.active_build, p.active_build), updated = now()`
  return id
}

async function makeTables(
  tx: Transaction,
  projection: Projection,
  build: KnownBuild,
  shape: string,
): Promise<void> {
  const { name } = projection
  const bound = boundTables(projection, table => physicalName(name, table, build.id))
  const tables = described(name, bound)
  await refuseTaken(tx, name, Object.keys(tables))
  for (const [logical, table] of bound.byName) {
    for (const statement of tableStatements(name, table)) await tx.unsafe(statement).catch(refused(name))
    await giveAway(tx, 'table', qualified(tables[logical]?.physical ?? ''))
  }
  await tx`
    update holdfast.projection_builds set tables = ${JSON.stringify(tables)}::text::jsonb, shape = ${shape}
    where id = ${build.id}`
  if (build.state === 'active') await showBuild(tx, { ...build, tables }, undefined)
}

/** `a_b` of `a` and `b` of `a_b` would be one view; the ones after the other, because each looks for all the others. */
async function refuseTaken(tx: Transaction, projection: string, tables: readonly string[]): Promise<void> {
  await tx`select pg_advisory_xact_lock(${projectionLock}, 0)`
  const views = tables.map(table => viewName(projection, table))
  const rows = await tx<{ projection: string; view: string }[]>`
    select b.projection, b.projection || '_' || t as view
    from holdfast.projection_builds as b, jsonb_object_keys(b.tables) as t
    where b.projection <> ${projection} and b.state <> 'dropped'`
  const taken = rows.find(({ view }) => views.includes(view))
  if (taken)
    throw new HoldfastError(
      'CONFIG_INVALID',
      `projection ${projection}: the view ${taken.view} is that of a table of the projection ${taken.projection}; name one of them differently`,
    )
}

/** What Postgres does not take is the definition's fault, unless it is about to answer later. */
function refused(projection: string) {
  return (error: unknown): never => {
    const { code, message } = error as { code?: string; message?: string }
    if (!/^(42|22|0A)/.test(code ?? '')) throw error
    throw new HoldfastError(
      'CONFIG_INVALID',
      `projection ${projection}: Postgres does not make its tables: ${message}`,
      { cause: error },
    )
  }
}
