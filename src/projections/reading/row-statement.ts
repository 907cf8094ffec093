import { quoted } from '../ddl.ts'
import type { BuildTable } from '../types.ts'
import { qualified } from '../views.ts'
import type { Column, Condition, OrderBy, RowQuery } from './row-query.ts'
import { comparable } from './sql-names.ts'

/** A statement's text with `$n` in it, and the values for those: what a caller sends never becomes text. */
export interface Statement {
  readonly text: string
  readonly values: readonly (string | number)[]
}

export interface PageRow {
  /** The build that readers see at this moment. */
  readonly active: number | null
  /** JSON text; null for no row, and for one behind so many bytes that it is for the next page. */
  readonly row: string | null
  /** JSON text: the row's place in the order, a text for each column of it. Null where there is no row. */
  readonly place: string | null
}

/** Behind so many bytes of rows a page ends, whatever its limit. */
const pageBytes = 4_194_304

type Bind = (value: string | number) => string

/**
 * One page of a table, and which build is active, from one snapshot: whoever reads sees the rows of one build at one position,
 * also while readers are switched to another.
 * @returns a statement for `PageRow`s, with one row more than was asked for where there is a next page
 */
export function pageStatement(
  query: RowQuery,
  table: BuildTable,
  build: { readonly projection: string; readonly id: number },
): Statement {
  const values: (string | number)[] = []
  const bind: Bind = value => `$${values.push(value)}`
  const guard = `g.active = ${bind(build.id)}::bigint`
  const conditions = query.conditions.map(one => conditionSql(one, bind))
  const after = query.after ? [afterSql(query.order, query.after, table, bind)] : []
  const order = query.order
    .map(({ column, descending }) => `${own(column)}${descending ? ' desc' : ''}`)
    .join(', ')
  const place = query.order.map(({ column }) => `${own(column)}::text`).join(', ')
  const projection = bind(build.projection)
  const text = `
    select g.active, r.row, r.place
    from (select (select p.active_build from holdfast.projections as p where p.name = ${projection}::text) as active) as g
    left join lateral (
      select q.place, q.n,
             case when sum(octet_length(q.row)) over (order by q.n) - octet_length(q.row) < ${pageBytes} then q.row end as row
      from (
        select row_to_json(t)::text as row, json_build_array(${place})::text as place,
               row_number() over (order by ${order}) as n
        from ${qualified(table.physical)} as t
        where ${[guard, ...conditions, ...after].join(' and ')}
        order by ${order} limit ${bind(query.limit + 1)}::bigint
      ) as q
    ) as r on true
    order by r.n`
  return { text, values }
}

const comparisons = { eq: '=', gt: '>', gte: '>=', lt: '<', lte: '<=' } as const

function conditionSql({ column, operator, values }: Condition, bind: Bind): string {
  const [first = ''] = values
  switch (operator) {
    case 'null':
      return `${own(column)} is ${first === 'true' ? 'null' : 'not null'}`
    case 'in':
      return `${own(column)} in (${values.map(value => typed(column, bind(value))).join(', ')})`
    case 'like':
      return `${own(column)} like ${bind(first)}::text`
    case 'ne':
      // Who asks for all but one wants those without a value too.
      return `${own(column)} is distinct from ${typed(column, bind(first))}`
    default:
      return `${own(column)} ${comparisons[operator]} ${typed(column, bind(first))}`
  }
}

/** Rows behind a place. Only the key's columns are known to have no nulls, which Postgres takes for larger than all else. */
function afterSql(
  order: readonly OrderBy[],
  after: readonly (string | null)[],
  { key }: BuildTable,
  bind: Bind,
): string {
  const terms = order.map(({ column, descending }, i) => {
    const value = after[i] ?? null
    return { column, descending, value: value === null ? null : typed(column, bind(value)) }
  })
  // An index answers this form directly.
  const plain = terms.every(one => !one.descending && one.value !== null && key.includes(one.column.name))
  if (plain) {
    return `(${terms.map(one => own(one.column)).join(', ')}) > (${terms.map(one => one.value).join(', ')})`
  }
  const ways = terms.map((term, i) => {
    const before = terms
      .slice(0, i)
      .map(one => (one.value === null ? `${own(one.column)} is null` : `${own(one.column)} = ${one.value}`))
    return `(${[...before, behind(term)].join(' and ')})`
  })
  return `(${ways.join(' or ')})`
}

function behind(term: {
  readonly column: Column
  readonly descending: boolean
  readonly value: string | null
}): string {
  const column = own(term.column)
  if (term.descending) return term.value === null ? `${column} is not null` : `${column} < ${term.value}`
  return term.value === null ? 'false' : `(${column} > ${term.value} or ${column} is null)`
}

/**
 * Through text, else the driver would have its own idea of what the value is. Without the type's modifier, which would round
 * or cut what is compared.
 */
function typed({ type }: Column, placeholder: string): string {
  return `${placeholder}::text::${comparable(type)}`
}

function own({ name }: Column): string {
  return `t.${quoted(name)}`
}
