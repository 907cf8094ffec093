import type { Client } from './client.ts'
import { clientError, codes, HoldfastClientError } from './errors.ts'
import { settledLater } from './settled-later.ts'
import { type ReadTable, readTable, type TableRow } from './table-page.ts'
import { type ChangesTold, TableRows } from './table-rows.ts'
import type { SubscribeOptions, Subscription } from './types.ts'

export interface LiveTableOptions<Row extends TableRow> {
  /** The channel that the projection tells of its changes (`changes` in its definition). */
  readonly changes: string
  /**
   * Where the rows are read: an address that answers as `GET /api/projections/<name>?…` does, or a function that gives one
   * page. By default `/api/projections/<name>` of the page's own server.
   */
  readonly read?: string | ReadTable<Row>
  /** The table's name in the definition, where there are several. */
  readonly table?: string
  /** The columns of the primary key; `['key']`, as reducers have it, by default. */
  readonly key?: readonly string[]
  /** How to sort; by default as read, and what is new behind it. */
  readonly order?: (a: Row, b: Row) => number
  /** Which rows of those told belong here, where what is read is a part of the table. */
  readonly where?: (row: Row) => boolean
  /** The most rows to hold (10,000). */
  readonly maxRows?: number
  readonly signal?: AbortSignal
  /** A channel token, and how to get a new one. */
  readonly token?: string
  readonly getToken?: (context: { channel: string }) => Promise<string>
}

export interface LiveTableView<Row> {
  /** The same array until something changes. */
  readonly rows: readonly Row[]
  /** `reading`: for the first time, or again because something may have been missed. `ended`: nothing comes any more. */
  readonly state: 'reading' | 'live' | 'ended'
  /** Which build of the projection; undefined before the first read. */
  readonly build: number | undefined
  /** There are more rows than `maxRows`. */
  readonly truncated: boolean
  /** Why reading does not succeed, while it is tried again; or why it has ended. */
  readonly error: HoldfastClientError | undefined
}

export interface LiveTable<Row> {
  readonly view: LiveTableView<Row>
  /** Resolves when the table was read; rejects where it never will be. */
  ready(): Promise<void>
  close(): void
}

/** From the moment at which the node reaches the others again, those have at most about so long until they do too. */
const othersMs = 10_000

/** Publications kept while the table is read; above it the table is read again. */
const maxHeld = 1_000

/**
 * A projection's table that keeps itself up to date: subscribes to its changes, reads it, applies what has come and what
 * comes, and reads it again where something may have been missed or readers see another build.
 */
export function liveTable<Row extends TableRow>(
  client: Client,
  name: string,
  options: LiveTableOptions<Row>,
  onChange: (view: LiveTableView<Row>) => unknown = () => undefined,
): LiveTable<Row> {
  return new Table(client, name, options, onChange)
}

class Table<Row extends TableRow> implements LiveTable<Row> {
  readonly #rows: TableRows<Row>
  readonly #read: ReadTable<Row>
  readonly #onChange: (view: LiveTableView<Row>) => unknown
  readonly #first = settledLater()
  readonly #ending = new AbortController()
  readonly #subscription: Subscription
  #held: ChangesTold<Row>[] | undefined = []
  #reading = false
  #again = false
  #due = false
  #numbered = false
  #later: ReturnType<typeof setTimeout> | undefined
  #error: HoldfastClientError | undefined
  #view: LiveTableView<Row>

  constructor(
    client: Client,
    name: string,
    options: LiveTableOptions<Row>,
    onChange: (view: LiveTableView<Row>) => unknown,
  ) {
    this.#rows = new TableRows(options)
    this.#read =
      typeof options.read === 'function'
        ? options.read
        : readTable(options.read ?? `/api/projections/${name}`)
    this.#onChange = onChange
    this.#view = this.#look()
    const { token, getToken, signal } = options
    const wish: SubscribeOptions<{ readonly data: unknown }> = {
      // Where the channel numbers, nothing is missed over a lost connection, or it is told.
      onSubscribed: ({ position }) => {
        this.#numbered = position !== undefined
        if (!position || this.#view.build === undefined) this.#readAgain()
      },
      onReset: () => this.#readAgain(),
      onEvent: ({ data }) => this.#told(data as ChangesTold<Row>),
      onUnsubscribed: why => this.#end(why),
      ...(token !== undefined && { token }),
      ...(getToken && { getToken }),
    }
    client.on('reachable', () => this.#reachable(), { signal: this.#ending.signal })
    this.#subscription = client.channel(options.changes).subscribe(wish)
    const close = () => this.close()
    signal?.addEventListener('abort', close, { once: true })
    this.#ending.signal.addEventListener('abort', () => signal?.removeEventListener('abort', close))
    if (signal?.aborted) close()
  }

  get view(): LiveTableView<Row> {
    return this.#view
  }

  ready(): Promise<void> {
    return this.#first.promise
  }

  close(): void {
    if (this.#ending.signal.aborted) return
    this.#end(clientError({ code: 3, message: 'the table was closed' }))
  }

  #told(told: ChangesTold<Row>): void {
    if (this.#held) {
      if (this.#held.length < maxHeld) this.#held.push(told)
      else this.#again = true
      return
    }
    if (this.#rows.apply(told) === 'read_again') this.#readAgain()
    else this.#changed()
  }

  #readAgain(): void {
    this.#held ??= []
    this.#again = this.#reading
    if (!this.#reading) void this.#reads()
    this.#changed()
  }

  /** What other nodes told while they could not reach this one has not come, and nothing says so where nothing numbers. */
  #reachable(): void {
    if (this.#numbered) return
    this.#readAgain()
    clearTimeout(this.#later)
    // One that tells may have come back later than the client's own node.
    this.#later = setTimeout(() => this.#readAgain(), othersMs * (0.5 + Math.random() / 2))
  }

  async #reads(): Promise<void> {
    const { signal } = this.#ending
    this.#reading = true
    for (let failures = 0; !signal.aborted; ) {
      this.#again = false
      try {
        await this.#rows.read(this.#read, signal)
        this.#error = undefined
        failures = 0
      } catch (thrown) {
        if (signal.aborted) return
        this.#error = passing(thrown)
        this.#changed()
        if (!this.#error.temporary) {
          this.#end(this.#error)
          return
        }
        await pause(failures++, signal)
        continue
      }
      const held = this.#held ?? []
      this.#held = []
      if (held.some(told => this.#rows.apply(told) === 'read_again') || this.#again) {
        await pause(0, signal)
        continue
      }
      this.#held = undefined
      this.#reading = false
      this.#view = this.#look()
      this.#first.resolve()
      this.#changed()
      return
    }
  }

  #end(why: HoldfastClientError): void {
    if (this.#ending.signal.aborted) return
    this.#ending.abort(why)
    this.#error = why
    clearTimeout(this.#later)
    this.#subscription?.unsubscribe()
    this.#first.reject(why)
    this.#changed()
  }

  /** Several changes of one task are one. */
  #changed(): void {
    if (this.#due) return
    this.#due = true
    queueMicrotask(() => {
      this.#due = false
      this.#view = this.#look()
      this.#onChange(this.#view)
    })
  }

  #look(): LiveTableView<Row> {
    const { list: rows, build, truncated } = this.#rows
    const state = this.#ending.signal.aborted ? 'ended' : this.#held ? 'reading' : 'live'
    return { rows, state, build, truncated, error: this.#error }
  }
}

/** What an application's own function throws says nothing of whether it will again. */
function passing(thrown: unknown): HoldfastClientError {
  if (thrown instanceof HoldfastClientError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new HoldfastClientError(codes.internal, message, { temporary: true, cause: thrown })
}

/** Longer with each failure, and spread by chance; over at once where nobody waits any more. */
function pause(failures: number, signal: AbortSignal): Promise<void> {
  const ms = Math.min(5_000, 100 * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2)
  return new Promise(resolve => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done, { once: true })
  })
}
