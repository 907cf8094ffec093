import type { Logger, Sql } from '../platform/index.ts'
import type { ProjectionHooks } from './hooks.ts'
import { buildProgress, cutChannels } from './progress.ts'
import type { KnownBuild } from './registry.ts'
import { hasJustCaughtUp, isOlderByItself, noteCaughtUp, standBy, switchForward } from './switch-build.ts'
import type { SwitchPatience } from './switch-patience.ts'

interface AdvanceParts {
  readonly sql: Sql
  readonly hooks: ProjectionHooks
  readonly nodeName: string
  readonly patience: SwitchPatience
  readonly logger: Logger
}

/** Postgres: a lock was not free in time. */
const lockNotAvailable = '55P03'

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
  { sql, hooks, nodeName, patience, logger }: AdvanceParts,
  build: KnownBuild,
  active: KnownBuild | undefined,
): Promise<boolean> {
  const progress = await buildProgress(sql, build, active)
  if (!progress?.caughtUp) return false
  await noteCaughtUp(sql, build)
  if (build.state === 'active') return false
  if (isOlderByItself(build, active)) {
    await standBy(sql, build)
    return true
  }
  // Looked at again under the locks, for which readers' batches have to wait: so not before they may be needed.
  if (progress.stuck > 0 || (!progress.ahead && (await hasJustCaughtUp(sql, build)))) return false
  const waitMs = patience.waitMs(build.group)
  if (waitMs === undefined) return false
  const by = { actor: nodeName, reason: 'it has caught up' }
  const done = await switchForward(sql, hooks, build, by, waitMs).catch(error => {
    if ((error as { code?: unknown }).code === lockNotAvailable) patience.inVain(build.group)
    throw error
  })
  if (!done) return false
  patience.forget(build.group)
  const { projection, version } = build
  const seen = { projection, version, build: build.id, previous: done.previous }
  logger.info(seen, 'readers see another build')
  const cut = await cutChannels(sql, build.group)
  if (cut !== undefined && cut > 0)
    logger.warn({ ...seen, channels: cut }, 'a build lacks what retention had removed before it was begun')
  return true
}
