import { HoldfastError } from '../domain/index.ts'
import type { SystemGroups } from '../durable/index.ts'
import { connectPostgres, type Logger, type Sql } from '../platform/index.ts'
import { batchHandler } from './batch.ts'
import { boundTables, physicalName } from './bound-tables.ts'
import { advanceBuilds } from './build-advance.ts'
import { shapeOf } from './ddl.ts'
import type { ProjectionHooks } from './hooks.ts'
import { buildGroups, makeBuilds } from './make-build.ts'
import { allBuilds, type KnownBuild } from './registry.ts'
import { SwitchPatience } from './switch-patience.ts'
import type { Projection } from './types.ts'

export interface RunnerOptions {
  /** Of Postgres. */
  readonly url: string
  /** Those of a process, made with `orm: true`, for nobody else. The runner begins and closes them. */
  readonly groups: SystemGroups
  readonly hooks: ProjectionHooks
  /** For the record, where a build becomes active by itself. */
  readonly nodeName: string
  readonly logger: Logger
}

/** How often a process looks what there is to do: what others decide is seen within this. More often while it builds. */
const lookMs = { idle: 1_000, building: 250 }
const poolSize = 2
const statementTimeoutMs = 60_000
/** A batch in hand of a build that was dropped is for nobody. */
const endWithinMs = 2_000
/** Between two lines that say the same. */
const complainMs = 30_000

/** What this process has put into the builds of a version since it began. */
export interface AppliedEvents {
  readonly projection: string
  readonly version: number
  readonly events: number
}

/** The projections that a process declares: makes their builds, and works on each whose version it knows. */
export class ProjectionRunner {
  readonly #options: RunnerOptions
  readonly #declared = new Map<string, { readonly projection: Projection; readonly shape: string }>()
  /** Builds that this process works on, by their group. */
  readonly #working = new Map<string, KnownBuild>()
  readonly #patience = new SwitchPatience()
  readonly #complained = new Map<string, number>()
  /** By projection and version. */
  readonly #applied = new Map<string, AppliedEvents>()
  /** Groups may be there that no build has any more. */
  #leftovers = true
  #sql: Sql | undefined
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined
  #begun = false
  #again = false
  #closed = false

  constructor(options: RunnerOptions) {
    this.#options = options
  }

  /** Nothing is done for it before `work`. @throws HoldfastError CONFIG_INVALID where it is declared twice */
  declare(projection: Projection): void {
    const { name, version } = projection
    const id = `${name}@${version}`
    if (this.#declared.has(id))
      throw new HoldfastError('CONFIG_INVALID', `projection ${name}: version ${version} is declared twice`)
    this.#declared.set(id, { projection, shape: shapeOf(projection) })
    if (!this.#begun) return
    this.#sql ??= this.#connect()
    this.lookSoon()
  }

  /**
   * Begins to work; what is declared afterwards begins at once. Resolves when every projection that is declared by now has a
   * build.
   * @throws HoldfastError CONFIG_INVALID where a build of a version has other tables; what keeps Postgres from it
   */
  async work(): Promise<void> {
    if (this.#closed) throw new HoldfastError('SHUTTING_DOWN', 'the projections of this process are closed')
    if (this.#begun) return
    if (this.#declared.size > 0) {
      const sql = this.#connect()
      try {
        const known = await allBuilds(sql)
        for (const { projection } of this.#declared.values()) await makeBuilds(sql, projection, known)
      } catch (error) {
        await sql.end({ timeout: 1 })
        throw error
      }
      this.#sql = sql
    }
    this.#begun = true
    this.lookSoon()
  }

  /** For metrics. */
  applied(): readonly AppliedEvents[] {
    return [...this.#applied.values()]
  }

  /** Somebody has decided about a build just now. */
  lookSoon(): void {
    if (!this.#sql || this.#closed) return
    this.#again = true
    if (!this.#looking) this.#schedule(0)
  }

  async close(withinMs: number): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    const end = performance.now() + withinMs
    await this.#options.groups.close(withinMs)
    await this.#sql?.end({ timeout: Math.max(0.1, (end - performance.now()) / 1_000) })
    await this.#looking
  }

  #connect(): Sql {
    return connectPostgres(this.#options.url, {
      max: poolSize,
      applicationName: 'holdfast-projections',
      statementTimeoutMs,
      logger: this.#options.logger,
    })
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer)
    if (this.#closed) return
    this.#timer = setTimeout(() => {
      this.#again = false
      this.#looking = this.#look().finally(() => {
        this.#looking = undefined
        const building = [...this.#working.values()].some(({ state }) => state === 'building')
        this.#schedule(this.#again ? 0 : building ? lookMs.building : lookMs.idle)
      })
    }, ms)
    this.#timer.unref()
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const sql = this.#sql
    if (!sql) return
    try {
      const builds = await this.#made(sql)
      // First: a group that joins later is tried again by itself where Postgres does not answer.
      await this.#options.groups.work()
      this.#workOn(builds)
      const { hooks, nodeName, logger } = this.#options
      const own = new Set(this.#working.keys())
      const parts = { sql, hooks, nodeName, patience: this.#patience, logger }
      const changed = await advanceBuilds(parts, builds, own, (build, error) =>
        this.#complain(build.projection, error),
      )
      if (changed) this.#again = true
      else await hooks.seen?.(builds, sql)
      await this.#removeLeftovers(sql)
    } catch (error) {
      if (this.#closed) return
      this.#complain('', error)
    }
  }

  /** All builds, with those that had to be made. */
  async #made(sql: Sql): Promise<readonly KnownBuild[]> {
    const known = await allBuilds(sql)
    let more = false
    for (const { projection } of this.#declared.values())
      await makeBuilds(sql, projection, known).then(
        made => {
          more ||= made
        },
        error => this.#complain(projection.name, error),
      )
    return more ? allBuilds(sql) : known
  }

  #workOn(builds: readonly KnownBuild[]): void {
    const { groups } = this.#options
    const wanted = new Map(builds.flatMap(build => (this.#isOurs(build) ? [[build.group, build]] : [])))
    for (const group of this.#working.keys()) {
      if (wanted.has(group)) continue
      this.#working.delete(group)
      groups
        .end(group, endWithinMs)
        .catch(error => this.#complain(group, error))
        .finally(() => {
          this.#leftovers = true
        })
    }
    for (const [group, build] of wanted) {
      if (!this.#working.has(group)) this.#begin(build)
      this.#working.set(group, build)
    }
  }

  /**
   * A process that has looked just before a build was dropped makes its group once more, which would hold retention for
   * ever.
   */
  async #removeLeftovers(sql: Sql): Promise<void> {
    if (!this.#leftovers) return
    this.#leftovers = false
    try {
      await sql`
        select holdfast.remove_group(g.name, ${this.#options.nodeName}, ${'its build was dropped'})
        from holdfast.groups as g
        where starts_with(g.name, ${buildGroups}) and not exists (
          select from holdfast.projection_builds as b where b."group" = g.name and b.state <> 'dropped')`
    } catch (error) {
      this.#leftovers = true
      throw error
    }
  }

  /** A build of the same version with other tables is refused where it is looked for. */
  #isOurs(build: KnownBuild): boolean {
    const known = this.#declaredOf(build)
    return known !== undefined && build.state !== 'dropped' && build.shape === known.shape
  }

  #declaredOf({ projection, version }: KnownBuild) {
    return this.#declared.get(`${projection}@${version}`)
  }

  #begin(build: KnownBuild): void {
    const projection = this.#declaredOf(build)?.projection
    if (!projection) return
    const { groups, hooks, logger } = this.#options
    const { name, channels, types, settings } = projection
    const bound = boundTables(projection, table => physicalName(name, table, build.id))
    groups
      .systemGroup(build.group, settings)
      .onBatch(
        channels,
        types ?? '*',
        batchHandler({ projection, build, bound, hooks, onApplied: this.#counter(projection) }),
      )
    logger.info(
      { projection: name, version: build.version, build: build.id, state: build.state },
      'works on a build',
    )
  }

  #counter({ name, version }: Projection): (events: number) => void {
    const id = `${name}@${version}`
    return events => {
      const before = this.#applied.get(id)?.events ?? 0
      this.#applied.set(id, { projection: name, version, events: before + events })
    }
  }

  #complain(about: string, error: unknown): void {
    const now = performance.now()
    if (now - (this.#complained.get(about) ?? Number.NEGATIVE_INFINITY) < complainMs) return
    this.#complained.set(about, now)
    this.#options.logger.warn(
      { err: error, ...(about && { projection: about }) },
      'a projection cannot go on; it tries again',
    )
  }
}
