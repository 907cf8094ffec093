import type { Logger, Sql } from '../platform/index.ts'
import type { ProjectionHooks } from './hooks.ts'
import { buildProgress } from './progress.ts'
import type { KnownBuild } from './registry.ts'
import { noteCaughtUp, standBy, switchForward } from './switch-build.ts'

interface AdvanceParts {
  readonly sql: Sql
  readonly hooks: ProjectionHooks
  readonly nodeName: string
  readonly logger: Logger
}

/**
 * Lets builds that have caught up take the next step: to be what readers see, or to stand by. Only those that this process
 * works on are looked at, by their groups. True: something has changed.
 */
export async function advanceBuilds(
  parts: AdvanceParts,
  builds: readonly KnownBuild[],
  own: ReadonlySet<string>,
  onTrouble: (build: KnownBuild, error: unknown) => void,
): Promise<boolean> {
  let changed = false
  for (const build of builds) {
    if (build.state !== 'building' || !own.has(build.group)) continue
    const active = builds.find(one => one.projection === build.projection && one.state === 'active')
    try {
      if (await advance(parts, build, active)) changed = true
    } catch (error) {
      onTrouble(build, error)
    }
  }
  return changed
}

async function advance(
  { sql, hooks, nodeName, logger }: AdvanceParts,
  build: KnownBuild,
  active: KnownBuild | undefined,
): Promise<boolean> {
  const progress = await buildProgress(sql, build, active)
  if (!progress?.caughtUp) return false
  await noteCaughtUp(sql, build)
  // Older code that is started once more beside newer one must not take readers back.
  if (active && build.version < active.version && build.requestedBy === undefined) {
    await standBy(sql, build)
    return true
  }
  const done = await switchForward(sql, hooks, build, { actor: nodeName, reason: 'it has caught up' })
  if (!done) return false
  const { projection, version } = build
  logger.info({ projection, version, build: build.id, previous: done.previous }, 'readers see another build')
  return true
}
