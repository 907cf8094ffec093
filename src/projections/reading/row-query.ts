import { HoldfastError } from '../../domain/index.ts'
import type { BuildTable } from '../types.ts'

export type Column = BuildTable['columns'][number]

/** How a column may be compared, as callers write it: `price[gte]=10`. */
export const operators = ['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'like', 'null'] as const
export type Operator = (typeof operators)[number]

/** Values are texts as Postgres reads them for the column's type. */
export interface Condition {
  readonly column: Column
  readonly operator: Operator
  readonly values: readonly string[]
}

export interface OrderBy {
  readonly column: Column
  readonly descending: boolean
}

/** What somebody wants to see of one table. */
export interface RowQuery {
  readonly table: string
  readonly conditions: readonly Condition[]
  /** Ends in the primary key, so that every row has a place of its own. */
  readonly order: readonly OrderBy[]
  readonly limit: number
  /** Where the page before has ended: a value for each of `order`, null for SQL's null. */
  readonly after: readonly (string | null)[] | undefined
}

/** A place that a read model has to have reached. */
export interface AtLeast {
  readonly channel: string
  readonly offset: number
  /** Where it is known, a place of another epoch is refused. */
  readonly epoch?: string | undefined
}

/** How a caller is to be kept waiting. */
export interface Waiting {
  readonly atLeast: AtLeast | undefined
  readonly withinMs: number
}

const defaultLimit = 100
export const maxLimit = 1_000
const maxValues = 1_000
const maxConditions = 50
/** Below what an answer of the API may take. */
export const maxWithinMs = 20_000
export const defaultWithinMs = 5_000

/** Parameters that are no columns; a column of such a name is asked for with an operator: `limit[eq]=3`. */
const reserved = ['table', 'order', 'limit', 'after', 'atLeast', 'epoch', 'withinMs']
const ordered = (operator: string): operator is Operator =>
  (operators as readonly string[]).includes(operator)

/** The part of a query that has nothing to do with tables. @throws HoldfastError REQUEST_INVALID */
export function waitingOf(params: URLSearchParams): Waiting {
  const text = single(params, 'atLeast')
  const epoch = single(params, 'epoch')
  const withinMs = wholeNumber(single(params, 'withinMs') ?? `${defaultWithinMs}`, 'withinMs', 0, maxWithinMs)
  if (text === undefined) {
    if (epoch !== undefined) throw invalid('epoch: it goes with atLeast only')
    return { atLeast: undefined, withinMs }
  }
  // A channel may hold an @ itself.
  const [, channel = '', offset = ''] = /^(.+)@(\d{1,15})$/.exec(text) ?? []
  if (channel === '') throw invalid(`atLeast: expected <channel>@<offset>, got ${shown(text)}`)
  return { atLeast: { channel, offset: Number(offset), ...(epoch !== undefined && { epoch }) }, withinMs }
}

/**
 * What `?table=…&price[gte]=10&order=-price&limit=20&after=…` wants, checked against a build's tables.
 * @throws HoldfastError REQUEST_INVALID saying what is wrong, and what there is
 */
export function rowQueryOf(
  params: URLSearchParams,
  tables: Readonly<Record<string, BuildTable>>,
  afterOf: (cursor: string, table: string, order: readonly OrderBy[]) => readonly (string | null)[],
): RowQuery {
  const name = tableName(single(params, 'table'), tables)
  const table = tables[name]
  if (!table) throw invalid(`table: there is none of the name ${shown(name)}`)
  const conditions = [...params]
    .filter(([key]) => !reserved.includes(key))
    .map(([key, value]) => condition(key, value, table))
  if (conditions.length > maxConditions) throw invalid(`expected at most ${maxConditions} conditions`)
  const order = orderOf(single(params, 'order'), table)
  const cursor = single(params, 'after')
  return {
    table: name,
    conditions,
    order,
    limit: wholeNumber(single(params, 'limit') ?? `${defaultLimit}`, 'limit', 1, maxLimit),
    after: cursor === undefined ? undefined : afterOf(cursor, name, order),
  }
}

function tableName(given: string | undefined, tables: Readonly<Record<string, BuildTable>>): string {
  const names = Object.keys(tables)
  const [only, ...others] = names
  if (given === undefined && only !== undefined && others.length === 0) return only
  if (given !== undefined && Object.hasOwn(tables, given)) return given
  const got = given === undefined ? 'nothing' : shown(given)
  throw invalid(`table: expected one of ${names.join(', ')}, got ${got}`)
}

function condition(key: string, value: string, table: BuildTable): Condition {
  const [, name = '', operator = 'eq'] = /^([^[\]]+)(?:\[([a-z]+)\])?$/.exec(key) ?? []
  if (name === '') throw invalid(`${shown(key)}: expected a column, or column[operator]`)
  const column = columnOf(name, table)
  if (!ordered(operator))
    throw invalid(
      `${shown(key)}: expected one of ${operators.join(', ')} as operator, got ${shown(operator)}`,
    )
  if (operator === 'null' && value !== 'true' && value !== 'false')
    throw invalid(`${key}: expected true or false, got ${shown(value)}`)
  if (operator === 'like' && !/^(text|varchar|char|character|citext|bpchar)/.test(column.type))
    throw invalid(`${key}: only texts can be searched so, and ${column.name} is ${column.type}`)
  return { column, operator, values: operator === 'in' ? listOf(key, value) : [value] }
}

/** `a,b,c`, or a JSON array where values hold commas. */
function listOf(key: string, value: string): readonly string[] {
  const list = value.startsWith('[') ? jsonList(value) : value.split(',')
  if (list === undefined) throw invalid(`${key}: expected values with commas between them, or a JSON array`)
  if (list.length === 0 || list.length > maxValues) throw invalid(`${key}: expected 1 to ${maxValues} values`)
  return list
}

function jsonList(text: string): readonly string[] | undefined {
  try {
    const list: unknown = JSON.parse(text)
    if (!Array.isArray(list)) return undefined
    const fit = list.every(one => ['string', 'number', 'boolean'].includes(typeof one))
    return fit ? list.map(String) : undefined
  } catch {
    return undefined
  }
}

function orderOf(given: string | undefined, table: BuildTable): readonly OrderBy[] {
  const wanted = (given ?? '').split(',').filter(one => one !== '')
  const order = wanted.map(one => {
    const descending = one.startsWith('-')
    return { column: columnOf(descending ? one.slice(1) : one, table), descending }
  })
  const named = order.map(({ column }) => column.name)
  if (new Set(named).size < named.length) throw invalid('order: a column is named twice')
  const rest = table.key.filter(name => !named.includes(name))
  return [...order, ...rest.map(name => ({ column: columnOf(name, table), descending: false }))]
}

/** By its name in SQL, or in the definition. */
function columnOf(name: string, { columns }: BuildTable): Column {
  const found = columns.find(one => one.name === name) ?? columns.find(one => one.property === name)
  if (found) return found
  throw invalid(`there is no column ${shown(name)}; there are ${columns.map(one => one.name).join(', ')}`)
}

function single(params: URLSearchParams, key: string): string | undefined {
  const all = params.getAll(key)
  if (all.length > 1) throw invalid(`${key}: it is given twice`)
  return all[0] === '' ? undefined : all[0]
}

function wholeNumber(text: string, key: string, least: number, most: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw invalid(`${key}: expected a whole number from ${least} to ${most}, got ${shown(text)}`)
}

function shown(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
}

function invalid(message: string): HoldfastError {
  return new HoldfastError('REQUEST_INVALID', message)
}
