import { HoldfastError } from '../domain/index.ts'
import { type Sql, type Transaction, transaction } from '../platform/index.ts'
import type { ProjectionHooks } from './hooks.ts'
import { buildLock } from './locks.ts'
import { lockProjection } from './make-build.ts'
import { buildProgress } from './progress.ts'
import { allBuilds, type KnownBuild } from './registry.ts'
import { showBuild } from './views.ts'

/** Who acts, for the record. */
export interface ProjectionActor {
  readonly actor: string
  readonly reason?: string | undefined
}

export interface SwitchedBuild {
  readonly build: number
  readonly version: number
  /** The build that readers saw before. */
  readonly previous: number | undefined
}

/** What is in hand is waited for, and all who come after wait for the switch. */
const lockWaitMs = 3_000
/** A query over a view may take minutes, and meanwhile the batches of both builds wait. */
const viewShare = 1 / 15
/** For so long a build that has caught up tries to be nowhere behind the one it takes the place of. */
const tryAheadMs = 5_000

/**
 * Lets readers see a build that has caught up. Undefined: not now, because somebody has been quicker, or it would show
 * readers something older than they have seen and may soon be able to avoid that.
 * @throws SQLSTATE 55P03 where what is in hand takes longer than `waitMs`, or a query over a view than a share of it
 */
export async function switchForward(
  sql: Sql,
  hooks: ProjectionHooks,
  { projection, id }: Pick<KnownBuild, 'projection' | 'id'>,
  by: ProjectionActor,
  waitMs = lockWaitMs,
): Promise<SwitchedBuild | undefined> {
  const waits = { lockMs: waitMs, viewMs: Math.round(waitMs * viewShare) }
  return switching(sql, hooks, projection, waits, async (tx, builds) => {
    const build = builds.find(one => one.id === id)
    const active = builds.find(one => one.state === 'active')
    if (build?.state !== 'building' || isOlderByItself(build, active)) return undefined
    await lockBuilds(tx, [build, active])
    const progress = await buildProgress(tx, build, active)
    if (!progress?.caughtUp || progress.stuck > 0) return undefined
    if (!progress.ahead && (await hasJustCaughtUp(tx, build))) return undefined
    return { build, active, by, act: 'switch_projection' }
  })
}

/**
 * Lets readers see the build again that they saw before.
 * @throws HoldfastError REQUEST_INVALID where there is none
 */
export async function switchBack(
  sql: Sql,
  hooks: ProjectionHooks,
  projection: string,
  by: ProjectionActor,
): Promise<SwitchedBuild> {
  const waits = { lockMs: lockWaitMs, viewMs: lockWaitMs }
  const done = await switching(sql, hooks, projection, waits, async (tx, builds) => {
    const active = builds.find(one => one.state === 'active')
    const build = builds
      .filter(one => one.state === 'standby')
      .sort((a, b) => (b.retired ?? 0) - (a.retired ?? 0) || b.id - a.id)[0]
    if (!build)
      throw new HoldfastError('REQUEST_INVALID', `${projection} has no build on standby to switch back to`)
    await lockBuilds(tx, [build, active])
    return { build, active, by, act: 'switch_back_projection' }
  })
  if (!done) throw new HoldfastError('INTERNAL', 'a switch back that did not happen')
  return done
}

/** Older code that is started once more beside newer one must not take readers back. */
export function isOlderByItself(build: KnownBuild, active: KnownBuild | undefined): boolean {
  return active !== undefined && build.version < active.version && build.requestedBy === undefined
}

/** By the database's clock, which is the one that has noted it. */
export async function hasJustCaughtUp(sql: Sql | Transaction, { id }: KnownBuild): Promise<boolean> {
  const [row] = await sql<{ just: boolean }[]>`
    select coalesce(caught_up > clock_timestamp() - make_interval(secs => ${tryAheadMs / 1_000}::float8), true) as just
    from holdfast.projection_builds where id = ${id}`
  return row?.just ?? true
}

/** A build that has caught up and is not to be seen by itself: an older version than the one that is active. */
export async function standBy(sql: Sql, { projection, id }: KnownBuild): Promise<void> {
  await transaction(sql, async tx => {
    await lockProjection(tx, projection, lockWaitMs)
    await tx`update holdfast.projection_builds set state = 'standby' where id = ${id} and state = 'building'`
  })
}

/** Remembered once. */
export async function noteCaughtUp(sql: Sql, { id }: KnownBuild): Promise<void> {
  await sql`update holdfast.projection_builds set caught_up = now() where id = ${id} and caught_up is null`
}

interface Decision {
  readonly build: KnownBuild
  readonly active: KnownBuild | undefined
  readonly by: ProjectionActor
  readonly act: string
}

async function switching(
  sql: Sql,
  hooks: ProjectionHooks,
  projection: string,
  waits: { readonly lockMs: number; readonly viewMs: number },
  decide: (tx: Transaction, builds: readonly KnownBuild[]) => Promise<Decision | undefined>,
): Promise<SwitchedBuild | undefined> {
  let afterCommit: (() => void) | undefined
  const done = await transaction(sql, async tx => {
    await lockProjection(tx, projection, waits.lockMs)
    const decision = await decide(tx, await allBuilds(tx, projection))
    if (!decision) return undefined
    const { build, active, by, act } = decision
    if (active)
      await tx`update holdfast.projection_builds set state = 'standby', retired = now() where id = ${active.id}`
    await tx`
      update holdfast.projection_builds
      set state = 'active', switched = now(), switched_by = ${by.actor}, caught_up = coalesce(caught_up, now())
      where id = ${build.id}`
    await tx`update holdfast.projections set active_build = ${build.id}, updated = now() where name = ${projection}`
    await tx`select set_config('lock_timeout', ${`${waits.viewMs}`}, true)`
    await showBuild(tx, build, active)
    await tx`select set_config('lock_timeout', ${`${waits.lockMs}`}, true)`
    await recordAct(tx, by, act, `projection ${projection} build ${build.id}`)
    afterCommit = await hooks.switched({ projection, build, previous: active, tx })
    return { build: build.id, version: build.version, previous: active?.id }
  })
  if (done) afterCommit?.()
  return done
}

/** No batch of theirs is under way from here to the commit. */
export async function lockBuilds(
  tx: Transaction,
  builds: readonly (KnownBuild | undefined)[],
): Promise<void> {
  const ids = builds.flatMap(build => (build ? [build.id] : [])).sort((a, b) => a - b)
  for (const id of ids) await tx`select pg_advisory_xact_lock(${buildLock}, ${id})`
}

export async function recordAct(
  tx: Transaction,
  { actor, reason }: ProjectionActor,
  act: string,
  target: string,
): Promise<void> {
  await tx`
    insert into holdfast.acts (time, actor, act, target, reason)
    values (floor(extract(epoch from clock_timestamp()) * 1000), ${actor}, ${act}, ${target}, ${reason ?? null}::text)`
}
