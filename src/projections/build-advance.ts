import type { Logger, Sql } from '../platform/index.ts'
import type { ProjectionHooks } from './hooks.ts'
import { buildProgress, cutChannels } from './progress.ts'
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
    const first = build.state === 'active' && build.caughtUp === undefined
    if ((build.state !== 'building' && !first) || !own.has(build.group)) continue
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
  if (build.state === 'active') return false
  // Older code that is started once more beside newer one must not take readers back.
  if (active && build.version < active.version && build.requestedBy === undefined) {
    await standBy(sql, build)
    return true
  }
  const done = await switchForward(sql, hooks, build, { actor: nodeName, reason: 'it has caught up' })
  if (!done) return false
  const { projection, version } = build
  const seen = { projection, version, build: build.id, previous: done.previous }
  logger.info(seen, 'readers see another build')
  const cut = await cutChannels(sql, build.group)
  if (cut > 0)
    logger.warn({ ...seen, channels: cut }, 'a build lacks what retention had removed before it was begun')
  return true
}
