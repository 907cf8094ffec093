import { HoldfastError } from '../domain/index.ts'
import type { Sql, Transaction } from '../platform/index.ts'
import type { Build, BuildState, BuildTable } from './types.ts'

interface BuildRow {
  readonly id: number
  readonly projection: string
  readonly version: number
  readonly state: BuildState
  readonly group: string
  readonly tables: string
  readonly shape: string | null
  readonly requestedBy: string | null
  readonly created: number
  readonly caughtUp: number | null
  readonly switched: number | null
  readonly switchedBy: string | null
  readonly retired: number | null
}

/** A build with what only those need who look after builds. */
export interface KnownBuild extends Build {
  readonly shape: string | undefined
  /** Undefined: the first process that declared the version. */
  readonly requestedBy: string | undefined
  /** When it last ceased to be active. */
  readonly retired: number | undefined
}

/** The builds of a projection, or of all, the dropped ones too; the oldest first. @throws what keeps Postgres from it */
export async function allBuilds(sql: Sql | Transaction, projection?: string): Promise<readonly KnownBuild[]> {
  const rows = await sql<BuildRow[]>`
    select ${columns(sql)} from holdfast.projection_builds as b
    where ${projection === undefined ? sql`true` : sql`b.projection = ${projection}`} order by b.id`
  return rows.map(known)
}

/** The build that readers see; undefined where there is none. @throws what keeps Postgres from it */
export async function activeBuild(
  sql: Sql | Transaction,
  projection: string,
): Promise<KnownBuild | undefined> {
  const rows = await sql<BuildRow[]>`
    select ${columns(sql)} from holdfast.projection_builds as b
    join holdfast.projections as p on p.active_build = b.id
    where p.name = ${projection}`
  return rows.map(known)[0]
}

/** @throws HoldfastError REQUEST_INVALID where there is no such projection, or it has been removed */
export function existing(projection: string, builds: readonly KnownBuild[]): readonly KnownBuild[] {
  if (builds.length > 0) return builds
  throw new HoldfastError(
    'REQUEST_INVALID',
    `there is no projection ${JSON.stringify(projection.slice(0, 80))}`,
  )
}

/** JSON as text: what a connection makes of JSON differs with what it was opened for. */
function columns(sql: Sql | Transaction) {
  const ms = (column: string) => sql`floor(extract(epoch from ${sql(column)}) * 1000)::bigint`
  return sql`
    b.id, b.projection, b.version, b.state, b."group", b.tables::text as tables, b.shape,
    b.requested_by as "requestedBy", b.switched_by as "switchedBy", ${ms('b.created')} as created,
    ${ms('b.caught_up')} as "caughtUp", ${ms('b.switched')} as switched, ${ms('b.retired')} as retired`
}

function known({
  tables,
  shape,
  requestedBy,
  caughtUp,
  switched,
  switchedBy,
  retired,
  ...row
}: BuildRow): KnownBuild {
  return {
    ...row,
    tables: JSON.parse(tables) as Record<string, BuildTable>,
    shape: shape ?? undefined,
    requestedBy: requestedBy ?? undefined,
    caughtUp: caughtUp ?? undefined,
    switched: switched ?? undefined,
    switchedBy: switchedBy ?? undefined,
    retired: retired ?? undefined,
  }
}
