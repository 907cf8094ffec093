import { getTableColumns } from 'drizzle-orm'
import { getTableConfig, type PgTable, pgSchema } from 'drizzle-orm/pg-core'
import { HoldfastError } from '../domain/index.ts'
import { type BuildTable, type Projection, type ProjectionTables, projectionSchema } from './types.ts'

/** Postgres cuts longer names off; a build's number takes up to eleven of it. */
const maxNames = 50

/** Tables under the names of one build. */
export interface BoundTables<Tables extends ProjectionTables = ProjectionTables> {
  readonly tables: Tables
  /** The same by the names given to `schema.table`. */
  readonly byName: ReadonlyMap<string, PgTable>
}

export function physicalName(projection: string, table: string, build: number): string {
  return `${projection}_${table}_${build}`
}

export function viewName(projection: string, table: string): string {
  return `${projection}_${table}`
}

/** @throws HoldfastError CONFIG_INVALID for tables that cannot be made */
export function boundTables<Tables extends ProjectionTables>(
  projection: Pick<Projection<Tables>, 'name' | 'tables'>,
  nameOf: (table: string) => string,
): BoundTables<Tables> {
  const schema = pgSchema(projectionSchema)
  const byName = new Map<string, PgTable>()
  const make = (name: string, ...rest: unknown[]) => {
    checkTableName(projection.name, name)
    if (byName.has(name)) throw invalid(projection.name, `there are two tables ${name}`)
    const table = (schema.table as (...args: unknown[]) => PgTable)(nameOf(name), ...rest)
    byName.set(name, table)
    return table
  }
  const tables = projection.tables({ table: make as unknown as typeof schema.table })
  const listed = new Set<unknown>(Object.values(tables ?? {}))
  if (byName.size === 0 || listed.size !== byName.size || [...byName.values()].some(one => !listed.has(one)))
    throw invalid(projection.name, 'tables has to return what it makes with schema.table, and at least one')
  return { tables, byName }
}

/** What others may know of the tables. @throws HoldfastError CONFIG_INVALID for a table without a primary key */
export function described(projection: string, { byName }: BoundTables): Record<string, BuildTable> {
  return Object.fromEntries(
    [...byName].map(([name, table]) => [
      name,
      {
        physical: getTableConfig(table).name,
        key: primaryKeyOf(projection, name, table),
        columns: Object.entries(getTableColumns(table)).map(([property, column]) => ({
          name: column.name,
          property,
          type: column.getSQLType(),
        })),
      },
    ]),
  )
}

function primaryKeyOf(projection: string, name: string, table: PgTable): readonly string[] {
  const { columns, primaryKeys } = getTableConfig(table)
  const key = primaryKeys[0]?.columns ?? columns.filter(({ primary }) => primary)
  if (key.length === 0)
    throw invalid(projection, `the table ${name} needs a primary key: rows are paged and told of by it`)
  return key.map(column => column.name)
}

function checkTableName(projection: string, name: string): void {
  if (typeof name !== 'string' || !/^[a-z][a-z0-9_]*$/.test(name) || /_[0-9]+$/.test(name))
    throw invalid(
      projection,
      `expected a table's name of small letters, digits and _, beginning with a letter and not ending in a number of its own, got ${JSON.stringify(String(name).slice(0, 80))}`,
    )
  if (projection.length + name.length > maxNames)
    throw invalid(
      projection,
      `the table's name ${name} is too long: with the projection's, at most ${maxNames}`,
    )
}

function invalid(projection: string, problem: string): HoldfastError {
  return new HoldfastError('CONFIG_INVALID', `projection ${projection}: ${problem}`)
}
