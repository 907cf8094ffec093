import { HoldfastError } from '../domain/index.ts'
import type { GroupOperations } from '../durable/index.ts'
import { type Sql, type Transaction, transaction } from '../platform/index.ts'
import { dropBuild, removeProjection } from './drop-build.ts'
import type { ProjectionHooks } from './hooks.ts'
import { insertBuild, lockProjection } from './make-build.ts'
import { cutChannels } from './progress.ts'
import { allBuilds, existing } from './registry.ts'
import { type ProjectionActor, recordAct, type SwitchedBuild, switchBack } from './switch-build.ts'
import type { Build } from './types.ts'

/** What a person may decide about projections. All of it is Postgres alone: whoever works on builds sees it within a second. */
export interface ProjectionActs {
  /**
   * Asks for a new build of a version, by default the one that readers see. Whoever declares the version makes its tables
   * and fills them; readers see it when it has caught up. `cutChannels` of its channels have lost events to retention, which
   * it will lack; undefined where no build tells which channels it reads.
   * @throws HoldfastError REQUEST_INVALID where there is no such projection or version, or one is being built
   */
  rebuild(
    projection: string,
    by: ProjectionActor,
    version?: number,
  ): Promise<{ readonly build: number; readonly version: number; readonly cutChannels: number | undefined }>
  /** Lets readers see the build again that they saw before. @throws HoldfastError REQUEST_INVALID where there is none */
  switchBack(projection: string, by: ProjectionActor): Promise<SwitchedBuild>
  /** Takes a build away that readers do not see. @throws HoldfastError REQUEST_INVALID */
  drop(projection: string, build: number, by: ProjectionActor): Promise<void>
  /** Takes a projection away that nobody declares any more. @throws HoldfastError REQUEST_INVALID */
  remove(projection: string, by: ProjectionActor): Promise<void>
  /** All of its builds stay where they are, within about a second. @throws HoldfastError REQUEST_INVALID */
  pause(projection: string, by: ProjectionActor): Promise<{ readonly changed: boolean }>
  /** @throws HoldfastError REQUEST_INVALID */
  resume(projection: string, by: ProjectionActor): Promise<{ readonly changed: boolean }>
}

interface ActsParts {
  readonly sql: Sql
  readonly groups: Pick<GroupOperations, 'pause' | 'resume' | 'list'>
  readonly hooks: ProjectionHooks
  /** Something was decided: this process need not wait for its next look. */
  readonly onAct?: () => void
}

const lockWaitMs = 3_000

export function projectionActs({ sql, groups, hooks, onAct }: ActsParts): ProjectionActs {
  async function acting<T>(act: Promise<T>): Promise<T> {
    const result = await act
    onAct?.()
    return result
  }

  async function setPaused(projection: string, act: 'pause' | 'resume', by: ProjectionActor) {
    const builds = existing(projection, await allBuilds(sql, projection))
    // A build whose tables nobody has made yet has no group.
    const known = new Set((await groups.list()).map(({ name }) => name))
    let changed = false
    for (const { group, state } of builds)
      if (state !== 'dropped' && known.has(group)) changed = (await groups[act](group, by)).changed || changed
    return { changed }
  }

  return {
    rebuild: (projection, by, version) => acting(requestBuild(sql, projection, by, version)),
    switchBack: (projection, by) => acting(switchBack(sql, hooks, projection, by)),
    drop: (projection, build, by) => acting(dropBuild(sql, projection, build, by)),
    remove: (projection, by) => acting(removeProjection(sql, projection, by)),
    pause: (projection, by) => setPaused(projection, 'pause', by),
    resume: (projection, by) => setPaused(projection, 'resume', by),
  }
}

async function requestBuild(sql: Sql, projection: string, by: ProjectionActor, wanted: number | undefined) {
  return transaction(sql, async tx => {
    await lockProjection(tx, projection, lockWaitMs)
    const builds = existing(projection, await allBuilds(tx, projection))
    const version = wanted ?? builds.find(({ state }) => state === 'active')?.version
    if (version === undefined || !builds.some(build => build.version === version))
      throw new HoldfastError(
        'REQUEST_INVALID',
        version === undefined
          ? `readers see no build of ${projection}: name a version`
          : `there has never been a version ${version} of ${projection}: whoever declares it builds it`,
      )
    const underWay = builds.find(({ state }) => state === 'building')
    if (underWay)
      throw new HoldfastError(
        'REQUEST_INVALID',
        `build ${underWay.id} of ${projection} is under way; wait for it, or drop it`,
        { details: { build: underWay.id } },
      )
    const build = await insertBuild(tx, projection, version, { state: 'building', requestedBy: by.actor })
    await recordAct(tx, by, 'rebuild_projection', `projection ${projection} build ${build}`)
    return { build, version, cutChannels: await cutFor(tx, builds, version) }
  })
}

/** The group of the new build does not exist yet: from one of the same version, else from any of the name. */
async function cutFor(
  tx: Transaction,
  builds: readonly Build[],
  version: number,
): Promise<number | undefined> {
  const living = builds.filter(({ state }) => state !== 'dropped')
  const [alike, others] = [true, false].map(same => living.filter(one => (one.version === version) === same))
  for (const { group } of [...(alike ?? []), ...(others ?? [])]) {
    const cut = await cutChannels(tx, group)
    if (cut !== undefined) return cut
  }
  return undefined
}
