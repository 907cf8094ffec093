import { getTableColumns } from 'drizzle-orm'
import { getTableConfig, type PgColumn, type PgTable } from 'drizzle-orm/pg-core'
import type { Transaction } from '../../platform/index.ts'
import { castOf, quoted, textArray, textOf } from './text-values.ts'

type Row = Readonly<Record<string, unknown>>
type Cells = readonly (string | null | undefined)[]

/** So many statements of different shape are kept prepared by each connection. */
const maxPrepared = 16

/**
 * Writes rows into a table of drizzle's: one statement for all that give the same columns, however many. Its text is the
 * same for any number of rows, so that Postgres plans it once; a list of VALUES is a new statement for each number.
 */
export class RowWriter {
  readonly #columns: readonly (readonly [property: string, column: PgColumn])[]
  readonly #into: string
  readonly #tail: string
  readonly #maxRows: number
  readonly #statements = new Map<string, string>()

  constructor(table: PgTable, maxRows: number, onConflict: 'nothing' | undefined) {
    const { schema, name } = getTableConfig(table)
    this.#into = schema ? `${quoted(schema)}.${quoted(name)}` : quoted(name)
    this.#columns = Object.entries<PgColumn>(getTableColumns(table)).filter(([, { generated }]) => !generated)
    this.#tail = onConflict === 'nothing' ? ' on conflict do nothing' : ''
    this.#maxRows = maxRows
  }

  /** Resolves to how many were not there before. @throws what Postgres refuses them with */
  async write(tx: Transaction, rows: readonly Row[]): Promise<number> {
    let written = 0
    for (const [shape, cells] of this.#byShape(rows)) {
      for (let from = 0; from < cells.length; from += this.#maxRows)
        written += await this.#insert(tx, shape, cells.slice(from, from + this.#maxRows))
    }
    return written
  }

  /** By the columns that they give; the others get their defaults from Postgres. */
  #byShape(rows: readonly Row[]): ReadonlyMap<string, readonly Cells[]> {
    const found = new Map<string, Cells[]>()
    for (const row of rows) {
      const cells = this.#columns.map(([property, column]) => cellOf(column, row[property]))
      const shape = cells.map(cell => (cell === undefined ? '-' : '+')).join('')
      const known = found.get(shape)
      if (known) known.push(cells)
      else found.set(shape, [cells])
    }
    return found
  }

  async #insert(tx: Transaction, shape: string, rows: readonly Cells[]): Promise<number> {
    const known = this.#statements.get(shape)
    const statement = known ?? this.#statement(shape, rows.length)
    const prepare = shape.includes('+') && (known !== undefined || this.#statements.size < maxPrepared)
    if (prepare) this.#statements.set(shape, statement)
    const given = [...shape].flatMap((sign, i) =>
      sign === '+' ? [textArray(rows.map(row => row[i] ?? null))] : [],
    )
    return (await tx.unsafe(statement, given, { prepare })).count
  }

  #statement(shape: string, count: number): string {
    const columns = this.#columns.flatMap(([, column], i) => (shape[i] === '+' ? [column] : []))
    // There is no other statement that inserts several rows of nothing but defaults.
    const first = this.#columns[0]?.[1].name ?? ''
    if (columns.length === 0)
      return `insert into ${this.#into} (${quoted(first)}) values ${Array.from({ length: count }, () => '(default)')}${this.#tail}`
    const names = columns.map(column => quoted(column.name)).join(', ')
    const casts = columns.map((column, i) => `r.c${i}::${castOf(column)}`).join(', ')
    const arrays = columns.map((_, i) => `$${i + 1}::text[]`).join(', ')
    const aliases = columns.map((_, i) => `c${i}`).join(', ')
    return `insert into ${this.#into} (${names}) select ${casts} from unnest(${arrays}) as r (${aliases})${this.#tail}`
  }
}

/** As drizzle's own insert has it; undefined: the column's default in Postgres. */
function cellOf(column: PgColumn, value: unknown): string | null | undefined {
  if (value !== undefined) return textOf(column, value)
  const made = column.defaultFn?.() ?? (column.default === undefined ? column.onUpdateFn?.() : undefined)
  return made === undefined ? undefined : textOf(column, made)
}
