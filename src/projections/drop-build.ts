import { HoldfastError } from '../domain/index.ts'
import { type Sql, type Transaction, transaction } from '../platform/index.ts'
import { lockProjection } from './make-build.ts'
import { allBuilds, existing, type KnownBuild } from './registry.ts'
import { lockBuilds, type ProjectionActor, recordAct } from './switch-build.ts'
import { hideTable, qualified } from './views.ts'

const lockWaitMs = 3_000
/** A member that has not been heard of for so long is gone, whatever lease it had. */
const goneAfterSeconds = 60

/**
 * Takes a build away: its tables, its group and what that still owes.
 * @throws HoldfastError REQUEST_INVALID where there is no such build, readers see it, or it is being read or filled and
 *   does not get free within seconds
 */
export async function dropBuild(
  sql: Sql,
  projection: string,
  id: number,
  by: ProjectionActor,
): Promise<void> {
  await transaction(sql, async tx => {
    await lockProjection(tx, projection, lockWaitMs)
    const build = existing(projection, await allBuilds(tx, projection)).find(one => one.id === id)
    if (!build || build.state === 'dropped')
      throw new HoldfastError('REQUEST_INVALID', `${projection} has no build ${id}`)
    if (build.state === 'active')
      throw new HoldfastError(
        'REQUEST_INVALID',
        `readers see build ${id}; switch to another one first, or remove the whole projection`,
      )
    await takeAway(tx, build, by)
    await recordAct(tx, by, 'drop_projection_build', `projection ${projection} build ${id}`)
  }).catch(atWork)
}

/**
 * Takes a projection away for good, with all of its builds. A process that declares it again begins anew.
 * @throws HoldfastError REQUEST_INVALID where there is none, or processes still work for it
 */
export async function removeProjection(sql: Sql, projection: string, by: ProjectionActor): Promise<void> {
  await transaction(sql, async tx => {
    await lockProjection(tx, projection, lockWaitMs)
    const builds = existing(projection, await allBuilds(tx, projection))
    const rows = await tx<{ node: string }[]>`
      select distinct m.node from holdfast.group_members as m
      join holdfast.projection_builds as b on b."group" = m."group"
      where b.projection = ${projection} and m.seen > now() - make_interval(secs => ${goneAfterSeconds})`
    if (rows.length > 0)
      throw new HoldfastError(
        'REQUEST_INVALID',
        `nodes still declare ${projection} (${rows.map(({ node }) => node).join(', ')}): deploy without it first`,
      )
    for (const build of builds) {
      if (build.state === 'active')
        for (const table of Object.keys(build.tables)) await hideTable(tx, projection, table)
      if (build.state !== 'dropped') await takeAway(tx, build, by)
    }
    await tx`delete from holdfast.projection_builds where projection = ${projection}`
    await tx`delete from holdfast.projections where name = ${projection}`
    await recordAct(tx, by, 'remove_projection', `projection ${projection}`)
  }).catch(atWork)
}

async function takeAway(tx: Transaction, build: KnownBuild, { actor }: ProjectionActor): Promise<void> {
  await lockBuilds(tx, [build])
  await tx`
    update holdfast.projection_builds set state = 'dropped', tables = '{}' where id = ${build.id}`
  await tx`select holdfast.remove_group(${build.group}, ${actor}, ${'its build was dropped'})`
  for (const { physical } of Object.values(build.tables))
    await tx.unsafe(`drop table if exists ${qualified(physical)}`)
}

/** Postgres: a lock was not free in time; something else is made of what is to be dropped. */
function atWork(error: unknown): never {
  const { code, detail } = error as { code?: unknown; detail?: unknown }
  if (code === '55P03')
    throw new HoldfastError('REQUEST_INVALID', 'it is being read or filled at this moment; try it again')
  if (code === '2BP01')
    throw new HoldfastError('REQUEST_INVALID', `other objects of the database depend on it: ${detail}`)
  throw error
}
