import { HoldfastError } from '../../domain/index.ts'
import type { AnsweringPool, CheckpointWatch } from '../../durable/index.ts'
import { activeBuild, allBuilds, existing } from '../registry.ts'
import type { Build } from '../types.ts'
import { pageCursor, placeOf } from './page-cursor.ts'
import { reachOf } from './reach.ts'
import { rowQueryOf, waitingOf } from './row-query.ts'
import { type PageRow, pageStatement } from './row-statement.ts'

export interface ReadModels {
  /**
   * A page of a table of the build that readers see, as JSON text: `{projection, version, build, table, rows, next?}`.
   * @param params see docs/PROJECTIONS.md
   * @throws HoldfastError REQUEST_INVALID (also where there is no such projection), PROJECTION_BEHIND, PROJECTION_PARKED, POSITION_LOST, LIMIT_EXCEEDED
   */
  page(projection: string, params: URLSearchParams): Promise<string>
}

export interface ReadModelsOptions {
  /** Only reads go through it; its sessions are in UTC, and have a statement timeout. */
  readonly pages: AnsweringPool
  readonly checkpoints: CheckpointWatch
}

/** How often one reader may be overtaken by switches. */
const maxAttempts = 5

/** Reads of read models by whoever has no definition of them: from what is kept about the builds. */
export function createReadModels({ pages, checkpoints }: ReadModelsOptions): ReadModels {
  /** Nothing of a build that readers see changes; whether it is still the one, every page asks in its own statement. */
  const lastSeen = new Map<string, Build>()

  async function active(projection: string): Promise<Build> {
    const build = await pages.run(sql => activeBuild(sql, projection))
    if (!build) existing(projection, await pages.run(sql => allBuilds(sql, projection)))
    if (!build || Object.keys(build.tables).length === 0) throw nothingYet(projection)
    lastSeen.set(projection, build)
    return build
  }

  /** What is refused by a build that readers have left meanwhile, the one in its place may have an answer to. */
  async function isLeft(build: Build, refusal: unknown): Promise<boolean> {
    if (!(refusal instanceof HoldfastError) || /^(DEPENDENCY_|OVERLOADED)/.test(refusal.code)) return false
    const now = await pages.run(sql => activeBuild(sql, build.projection)).catch(() => build)
    return now?.id !== build.id
  }

  async function pageOf(build: Build, params: URLSearchParams): Promise<string | undefined> {
    const query = rowQueryOf(params, build.tables, placeOf)
    const table = build.tables[query.table]
    if (!table) return undefined
    const { text, values } = pageStatement(query, table, build)
    const rows = await pages.run(
      sql => sql.unsafe(text, [...values]).catch(understood) as unknown as Promise<readonly PageRow[]>,
    )
    if (rows[0]?.active !== build.id) return undefined
    const found = rows.filter(({ place }) => place !== null)
    const shown = found.filter(({ row }) => row !== null).slice(0, query.limit)
    const last = shown.at(-1)?.place
    const next =
      found.length > shown.length && last ? `,"next":"${pageCursor(query.table, query.order, last)}"` : ''
    const { projection, version, id } = build
    const head = `"projection":${JSON.stringify(projection)},"version":${version},"build":${id}`
    return `{${head},"table":${JSON.stringify(query.table)},"rows":[${shown.map(({ row }) => row).join(',')}]${next}}`
  }

  return {
    async page(projection, params) {
      const waiting = waitingOf(params)
      const until = performance.now() + waiting.withinMs
      for (let attempt = 0; attempt < maxAttempts; attempt++) {
        // Nobody may fill any more what readers have left, so what is waited for is never one that was seen before.
        const known = waiting.atLeast ? undefined : lastSeen.get(projection)
        const build = known ?? (await active(projection))
        try {
          // What is wrong with the request is said before anybody waits.
          if (waiting.atLeast) rowQueryOf(params, build.tables, placeOf)
          await reachOf(checkpoints, build, waiting, until)
          const page = await pageOf(build, params)
          if (page !== undefined) return page
        } catch (refusal) {
          if (!(await isLeft(build, refusal))) throw refusal
        }
        lastSeen.delete(projection)
      }
      throw new HoldfastError('PROJECTION_BEHIND', `the builds of ${projection} change too fast to be read`)
    },
  }
}

function nothingYet(projection: string): HoldfastError {
  return new HoldfastError('PROJECTION_BEHIND', `${projection} has no build yet that could be read`)
}

/** SQLSTATEs of what the caller has asked for; a value's own words are the caller's. */
function understood(error: unknown): readonly PageRow[] {
  const { code, message } = error as { code?: string; message: string }
  // The table is gone: dropped since it was looked up.
  if (code === '42P01' || code === '3F000') return []
  if (code === '57014') {
    throw new HoldfastError(
      'LIMIT_EXCEEDED',
      'this takes too long; ask for less, or by columns with an index',
    )
  }
  // Data that is none of the type; a type that cannot be compared or ordered so.
  if (code?.startsWith('22') || code === '42883' || code === '42804')
    throw new HoldfastError('REQUEST_INVALID', message)
  throw error
}
