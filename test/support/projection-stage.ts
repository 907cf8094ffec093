import { randomBytes } from 'node:crypto'
import { createOperations } from '../../src/durable/index.ts'
import { connectPostgres, createLogger, type Logger, type Sql } from '../../src/platform/index.ts'
import { type ProjectionActs, projectionActs } from '../../src/projections/acts.ts'
import type { ProjectionHooks } from '../../src/projections/hooks.ts'
import { allBuilds, type KnownBuild } from '../../src/projections/registry.ts'
import { ProjectionRunner } from '../../src/projections/runner.ts'
import type { Projection } from '../../src/projections/types.ts'
import { type GroupStage, groupStage } from './group-stage.ts'
import { until } from './until.ts'

/** Processes that work on projections, over one database, as the role of a serving node. */
export interface ProjectionStage extends GroupStage {
  readonly sql: Sql
  /** Of the runtime role. */
  readonly runtimeUrl: string
  readonly acts: ProjectionActs
  /** A process that declares these; closed at the end. Its work is begun with `work`. */
  process(projections: readonly Projection<never>[], options?: ProcessOptions): ProjectionRunner
  /** A projection's name that no other test has. */
  newName(): string
  builds(projection: string): Promise<readonly KnownBuild[]>
  /** Waits for the build that readers see to be another one than this. */
  switchedFrom(projection: string, build: number): Promise<KnownBuild>
  active(projection: string): Promise<KnownBuild>
  /** What a build has in a table. */
  rows<Row extends object = Record<string, unknown>>(
    build: KnownBuild,
    table?: string,
  ): Promise<readonly Row[]>
}

interface ProcessOptions {
  readonly hooks?: ProjectionHooks
  readonly logger?: Logger
  readonly poolSize?: number
}

export const noHooks: ProjectionHooks = {
  changed: async () => undefined,
  switched: async () => undefined,
}

export async function projectionStage(): Promise<ProjectionStage> {
  const stage = await groupStage()
  const { sql, url } = stage.database
  const login = `projections_${randomBytes(6).toString('hex')}`
  await sql.unsafe(`create role ${login} login password 'secret' in role holdfast_runtime`)
  const runtime = new URL(url)
  runtime.username = login
  runtime.password = 'secret'
  const runners: ProjectionRunner[] = []
  const builds = (projection: string) => allBuilds(sql, projection)
  const active = async (projection: string) => {
    const found = (await builds(projection)).find(({ state }) => state === 'active')
    if (!found) throw new Error(`${projection} has no active build`)
    return found
  }
  let names = 0
  return {
    ...stage,
    sql,
    runtimeUrl: runtime.href,
    acts: projectionActs({ sql, groups: createOperations(sql).groups, hooks: noHooks }),
    process(projections, options = {}) {
      const runner = new ProjectionRunner({
        url: runtime.href,
        groups: stage.worker({ orm: true, url: runtime.href, poolSize: options.poolSize ?? 4 }),
        hooks: options.hooks ?? noHooks,
        nodeName: `node-${runners.length}`,
        logger: options.logger ?? createLogger(process.env['HOLDFAST_TEST_LOG'] ?? 'silent'),
      })
      for (const projection of projections) runner.declare(projection as never)
      runners.push(runner)
      return runner
    },
    newName: () => `p${++names}`,
    builds,
    active,
    switchedFrom: (projection, build) =>
      until(`readers see another build of ${projection} than ${build}`, async () => {
        const now = await active(projection)
        return now.id === build ? undefined : now
      }),
    async rows(build, table = 'states') {
      return sql.unsafe(
        `select * from holdfast_projections."${build.tables[table]?.physical}" order by 1`,
      ) as never
    },
    async close() {
      await Promise.all(runners.map(runner => runner.close(0)))
      await stage.close()
      await asOwner(url, `drop role if exists ${login}`)
    },
  }
}

/** The role belongs to the server; what it owns went with the database. */
async function asOwner(url: string, statement: string): Promise<void> {
  const server = new URL(url)
  server.pathname = '/postgres'
  const sql = connectPostgres(server.href, { max: 1, applicationName: 'holdfast-test' })
  try {
    await sql.unsafe(statement)
  } finally {
    await sql.end({ timeout: 1 })
  }
}
