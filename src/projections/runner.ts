import { HoldfastError } from '../domain/index.ts'
import type { SystemGroups } from '../durable/index.ts'
import { connectPostgres, type Logger, type Sql } from '../platform/index.ts'
import { batchHandler } from './batch.ts'
import { boundTables, physicalName } from './bound-tables.ts'
import { advanceBuilds } from './build-advance.ts'
import { shapeOf } from './ddl.ts'
import type { ProjectionHooks } from './hooks.ts'
import { makeBuilds } from './make-build.ts'
import { allBuilds, type KnownBuild } from './registry.ts'
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

/** How often a process looks what there is to do: what others decide is seen within this. */
const lookMs = 1_000
const poolSize = 2
const statementTimeoutMs = 60_000
/** A batch in hand of a build that was dropped is for nobody. */
const endWithinMs = 2_000
/** Between two lines that say the same. */
const complainMs = 30_000

/** The projections that a process declares: makes their builds, and works on each whose version it knows. */
export class ProjectionRunner {
  readonly #options: RunnerOptions
  readonly #declared = new Map<string, { readonly projection: Projection; readonly shape: string }>()
  /** Builds that this process works on, by their group. */
  readonly #working = new Map<string, KnownBuild>()
  readonly #complained = new Map<string, number>()
  #sql: Sql | undefined
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined
  #again = false
  #closed = false

  constructor(options: RunnerOptions) {
    this.#options = options
  }

  /** Nothing is done for it before `work`, or at once after. @throws HoldfastError CONFIG_INVALID where it is declared twice */
  declare(projection: Projection): void {
    const { name, version } = projection
    const id = `${name}@${version}`
    if (this.#declared.has(id))
      throw new HoldfastError('CONFIG_INVALID', `projection ${name}: version ${version} is declared twice`)
    this.#declared.set(id, { projection, shape: shapeOf(projection) })
    this.lookSoon()
  }

  /**
   * Resolves when every declared projection has a build that is worked on.
   * @throws HoldfastError CONFIG_INVALID where a build of a version has other tables; what keeps Postgres from it
   */
  async work(): Promise<void> {
    if (this.#closed) throw new HoldfastError('SHUTTING_DOWN', 'the projections of this process are closed')
    if (this.#sql || this.#declared.size === 0) return
    const { url, groups, logger } = this.#options
    const sql = connectPostgres(url, {
      max: poolSize,
      applicationName: 'holdfast-projections',
      statementTimeoutMs,
      logger,
    })
    try {
      for (const { projection } of this.#declared.values()) await makeBuilds(sql, projection)
      this.#workOn(await allBuilds(sql))
      await groups.work()
    } catch (error) {
      await sql.end({ timeout: 1 })
      throw error
    }
    this.#sql = sql
    this.#schedule(lookMs)
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
    const begun = performance.now()
    await Promise.all([this.#options.groups.close(withinMs), this.#looking])
    const left = Math.max(0, withinMs - (performance.now() - begun))
    await this.#sql?.end({ timeout: Math.min(1, left / 1_000) })
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer)
    if (this.#closed) return
    this.#timer = setTimeout(() => {
      this.#again = false
      this.#looking = this.#look().finally(() => {
        this.#looking = undefined
        this.#schedule(this.#again ? 0 : lookMs)
      })
    }, ms)
    this.#timer.unref()
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const sql = this.#sql
    if (!sql) return
    for (const { projection } of this.#declared.values())
      await makeBuilds(sql, projection).catch(error => this.#complain(projection.name, error))
    try {
      const builds = await allBuilds(sql)
      this.#workOn(builds)
      const { hooks, nodeName, logger } = this.#options
      const own = new Set(this.#working.keys())
      const changed = await advanceBuilds({ sql, hooks, nodeName, logger }, builds, own, (build, error) =>
        this.#complain(build.projection, error),
      )
      if (changed) this.#again = true
    } catch (error) {
      this.#complain('', error)
    }
  }

  #workOn(builds: readonly KnownBuild[]): void {
    const { groups } = this.#options
    const wanted = new Map(builds.flatMap(build => (this.#isOurs(build) ? [[build.group, build]] : [])))
    for (const group of this.#working.keys()) {
      if (wanted.has(group)) continue
      this.#working.delete(group)
      groups.end(group, endWithinMs).catch(error => this.#complain(group, error))
    }
    for (const [group, build] of wanted) if (!this.#working.has(group)) this.#begin(build)
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
      .onBatch(channels, types ?? '*', batchHandler({ projection, build, bound, hooks }))
    this.#working.set(build.group, build)
    logger.info(
      { projection: name, version: build.version, build: build.id, state: build.state },
      'works on a build',
    )
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
