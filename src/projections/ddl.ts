import { createHash } from 'node:crypto'
import { is, SQL, sql } from 'drizzle-orm'
import {
  getTableConfig,
  type Index,
  type IndexedColumn,
  type PgColumn,
  PgDialect,
  PgEnumColumn,
  type PgTable,
} from 'drizzle-orm/pg-core'
import { HoldfastError } from '../domain/index.ts'
import { boundTables } from './bound-tables.ts'
import { type Projection, projectionSchema } from './types.ts'

/** Postgres names constraints and indexes itself: those of several builds share a schema. */
export function tableStatements(projection: string, table: PgTable): readonly string[] {
  const config = getTableConfig(table)
  const refuse = (problem: string): never => {
    throw new HoldfastError('CONFIG_INVALID', `projection ${projection}, table ${config.name}: ${problem}`)
  }
  if (config.foreignKeys.length > 0)
    refuse('foreign keys are not supported: channels are worked through beside each other')
  if (config.policies.length > 0 || config.enableRLS) refuse('row level security is not supported')
  const name = `${quoted(projectionSchema)}.${quoted(config.name)}`
  const key = config.primaryKeys[0]?.columns ?? config.columns.filter(({ primary }) => primary)
  const lines = [
    ...config.columns.map(column => columnLine(column, refuse)),
    ...(key.length > 0 ? [`primary key ${list(key)}`] : []),
    ...config.columns
      .filter(({ isUnique }) => isUnique)
      .map(column => uniqueLine([column], column.uniqueType === 'not distinct')),
    ...config.uniqueConstraints.map(({ columns, nullsNotDistinct }) => uniqueLine(columns, nullsNotDistinct)),
    ...config.checks.map(({ value }) => `check (${text(value)})`),
  ]
  return [
    `create table ${name} (\n  ${lines.join(',\n  ')}\n)`,
    ...config.indexes.map(index => indexStatement(name, index)),
  ]
}

/** Tells two definitions of tables apart, whatever builds they are for. @throws HoldfastError CONFIG_INVALID */
export function shapeOf(projection: Projection): string {
  const { byName } = boundTables(projection, name => name)
  const statements = [...byName].map(([, table]) => tableStatements(projection.name, table))
  return createHash('sha256').update(JSON.stringify(statements)).digest('hex').slice(0, 32)
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function columnLine(column: PgColumn, refuse: (problem: string) => never): string {
  if (is(column, PgEnumColumn))
    refuse(`column ${column.name}: enums are not supported; use text with a check`)
  const parts = [quoted(column.name), column.getSQLType()]
  if (column.generated) parts.push(`generated always as (${text(generatedAs(column.generated.as))}) stored`)
  else if (column.generatedIdentity) {
    const { type, sequenceName, sequenceOptions } = column.generatedIdentity
    if (sequenceName !== undefined || Object.keys(sequenceOptions ?? {}).length > 0)
      refuse(`column ${column.name}: an identity without a name and options, please`)
    parts.push(`generated ${type === 'always' ? 'always' : 'by default'} as identity`)
  } else if (column.default !== undefined) parts.push(`default ${defaultText(column)}`)
  if (column.notNull) parts.push('not null')
  return parts.join(' ')
}

function generatedAs(as: unknown): unknown {
  return typeof as === 'function' ? as() : as
}

function defaultText(column: PgColumn): string {
  const value: unknown = column.default
  if (is(value, SQL)) return text(value)
  return text(typeof value === 'bigint' ? sql.raw(String(value)) : sql`${sql.param(value, column)}`)
}

function indexStatement(table: string, { config }: Index): string {
  const { unique, method, columns, with: storage, where } = config
  const parts = columns.map(column => {
    if (is(column, SQL)) return `(${text(column)})`
    const { name, indexConfig: { order, nulls, opClass } = {} } = column as Partial<IndexedColumn>
    // drizzle says an order for every kind of index; only this kind has one.
    const sorted = (method ?? 'btree') === 'btree' ? [order, nulls && `nulls ${nulls}`] : []
    return [quoted(name ?? ''), opClass, ...sorted].filter(Boolean).join(' ')
  })
  const options = Object.entries(storage ?? {}).map(([option, value]) => `${option} = ${value}`)
  return [
    `create ${unique ? 'unique ' : ''}index on ${table} using ${method ?? 'btree'} (${parts.join(', ')})`,
    ...(options.length > 0 ? [`with (${options.join(', ')})`] : []),
    ...(where ? [`where ${text(where)}`] : []),
  ].join(' ')
}

function uniqueLine(columns: readonly { name: string }[], nullsNotDistinct: boolean | undefined): string {
  return `unique ${nullsNotDistinct ? 'nulls not distinct ' : ''}${list(columns)}`
}

function list(columns: readonly { name: string }[]): string {
  return `(${columns.map(({ name }) => quoted(name)).join(', ')})`
}

/** With every value written out: a statement that makes tables takes no parameters. */
function text(value: unknown): string {
  const chunk = is(value, SQL) ? value : sql.raw(String(value))
  return new PgDialect().sqlToQuery(chunk.inlineParams()).sql
}
