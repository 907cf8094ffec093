import type { PgTable } from 'drizzle-orm/pg-core'
import type { Contract } from '../../contract/index.ts'
import type { GroupOptions } from '../../durable/index.ts'
import type { ProjectionEvent } from '../types.ts'

type Inserted<Table extends PgTable> = Table['$inferInsert']

/** What a batch sink writes where, and how much at a time. */
export interface BatchSinkOptions<
  Table extends PgTable = PgTable,
  C extends Contract = Contract,
  Channels extends string = string,
  Types extends string = string,
> extends Pick<
    GroupOptions,
    'mode' | 'start' | 'concurrency' | 'maxAttempts' | 'retryMs' | 'handlerTimeoutMs'
  > {
  /** Patterns of durable channels. */
  readonly channels: Channels | readonly Channels[]
  /** Types of events; left out: all. */
  readonly types?: Types | readonly Types[]
  /** The application's own table, in the ledger's database. It has to exist; rows wait until it does. */
  readonly table: Table
  /**
   * The rows of an event: one, several, or none. Values as drizzle takes them, without SQL among them. Columns that are left
   * out get their defaults. An event of which this throws is retried, then parked.
   */
  readonly row: (
    event: ProjectionEvent<C, Channels, Types>,
  ) => Inserted<Table> | readonly Inserted<Table>[] | undefined
  /** Events of a transaction, and rows of a statement, at most (default 500, at most 1,000). */
  readonly maxRows?: number
  /**
   * How long an event may wait for others to share its transaction (default 100, at most 4,000). Each partition of the
   * ledger fills batches of its own.
   */
  readonly maxDelayMs?: number
  /**
   * `nothing`: a row that is there already, by whatever unique key, is left as it is. By default such a row is an error. Not
   * needed against repetitions: an event's rows are written once.
   */
  readonly onConflict?: 'nothing'
}

/** What a sink has done in this process. */
export interface BatchSinkStatus {
  /** Rows that are committed; without those that were there already. */
  readonly rows: number
  /** Transactions that they took. */
  readonly batches: number
}

/** A batch sink as declared. For operators it is the consumer group of its name. */
export interface BatchSink {
  readonly name: string
  status(): BatchSinkStatus
}
