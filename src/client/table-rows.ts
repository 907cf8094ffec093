import type { ReadTable, TableRow } from './table-page.ts'

/** What a projection tells a channel: some changes, or that readers see another build. */
export interface ChangesTold<Row> {
  readonly build: number
  /** Of two changes of one row the later has the higher one. */
  readonly n?: number
  readonly changes?: readonly {
    readonly table: string
    readonly key: TableRow
    /** Null: it is gone. */
    readonly row: Row | null
  }[]
  readonly reset?: boolean
}

export interface TableRowsOptions<Row> {
  readonly key?: readonly string[]
  readonly table?: string
  readonly order?: (a: Row, b: Row) => number
  readonly where?: (row: Row) => boolean
  readonly maxRows?: number
}

const defaultMaxRows = 10_000

interface Kept<Row> {
  /** Null: it is gone, and `n` keeps an older change from bringing it back. */
  row: Row | null
  n: number
}

/** The deciding half of a live table: rows as they were read, and what changes tell of them. */
export class TableRows<Row extends TableRow> {
  readonly #options: TableRowsOptions<Row>
  readonly #key: readonly string[]
  readonly #maxRows: number
  #rows = new Map<string, Kept<Row>>()
  #build: number | undefined
  #more = false
  #list: readonly Row[] = []
  #stale = false

  constructor(options: TableRowsOptions<Row>) {
    this.#options = options
    this.#key = options.key ?? ['key']
    this.#maxRows = options.maxRows ?? defaultMaxRows
  }

  get build(): number | undefined {
    return this.#build
  }

  get truncated(): boolean {
    return this.#more
  }

  /** In order. The same array until something changes. */
  get list(): readonly Row[] {
    if (!this.#stale) return this.#list
    this.#stale = false
    const rows = [...this.#rows.values()].flatMap(({ row }) => (row === null ? [] : [row]))
    const { order } = this.#options
    if (order) rows.sort(order)
    if (rows.length > this.#maxRows) this.#more = true
    this.#list = rows.slice(0, this.#maxRows)
    return this.#list
  }

  /** Reads all pages, from the start again where readers see another build meanwhile; until then nothing changes. */
  async read(page: ReadTable<Row>, signal: AbortSignal): Promise<void> {
    let rows = new Map<string, Kept<Row>>()
    let build: number | undefined
    let after: string | undefined
    do {
      const { rows: read, build: from, next } = await page({ after, signal })
      signal.throwIfAborted()
      after = next
      if (build !== undefined && from !== build) {
        rows = new Map()
        build = undefined
        after = undefined
        continue
      }
      build = from
      for (const row of read) rows.set(this.#keyOf(row), { row, n: Number.NEGATIVE_INFINITY })
    } while (build === undefined || (after !== undefined && rows.size < this.#maxRows))
    this.#rows = rows
    this.#build = build
    this.#more = after !== undefined
    this.#stale = true
  }

  /** `read_again`: what is told is of another build. */
  apply(told: ChangesTold<Row>): 'applied' | 'read_again' {
    if (told.build !== this.#build) return 'read_again'
    const { table, where } = this.#options
    for (const { table: of, key, row } of told.changes ?? []) {
      if (table !== undefined && of !== table) continue
      const name = this.#keyOf(key)
      const before = this.#rows.get(name)
      const n = told.n ?? 0
      // Two nodes' publications may overtake each other.
      if (before && before.n > n) continue
      const kept = row !== null && (!where || where(row)) ? row : null
      // Also of a row that nobody knows: it may be gone before it is told that it came.
      this.#rows.set(name, { row: kept, n })
      if (kept !== null || (before && before.row !== null)) this.#stale = true
    }
    this.#forgetGone()
    return 'applied'
  }

  #keyOf(row: TableRow): string {
    return JSON.stringify(this.#key.map(column => row[column]))
  }

  /** The newest of those that are gone are kept, as many as may be told of late; and of all others the first ones. */
  #forgetGone(): void {
    const most = this.#maxRows + keptGone
    if (this.#rows.size <= most) return
    for (const [name, { row }] of this.#rows) {
      if (this.#rows.size <= most) return
      if (row === null) this.#rows.delete(name)
    }
    for (const name of [...this.#rows.keys()].reverse()) {
      if (this.#rows.size <= most) return
      this.#rows.delete(name)
      this.#more = true
    }
  }
}

const keptGone = 1_000
