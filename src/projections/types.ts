import type { PgDatabase, PgTable, PgTableFn } from 'drizzle-orm/pg-core'
import type { PostgresJsQueryResultHKT } from 'drizzle-orm/postgres-js'
import type { ChannelNameOf, Contract, EventDataOf, EventTypeOf, ParamsOf } from '../contract/index.ts'
import type { HandlerEvent } from '../durable/index.ts'
import type { Transaction } from '../platform/index.ts'

/** drizzle over one transaction. */
export type ProjectionDb = PgDatabase<PostgresJsQueryResultHKT, Record<string, never>>

/** Where the tables of builds are. */
export const projectionSchema = 'holdfast_projections'

/** Makes a projection's tables: columns as with `pgTable`, under names of the projection's own. */
export interface TableMaker {
  /**
   * The name is what everybody outside of the code calls it: the API, published changes, and the view
   * `holdfast_projections.<projection>_<name>`.
   */
  readonly table: PgTableFn<typeof projectionSchema>
}

export type ProjectionTables = Readonly<Record<string, PgTable>>

/** An event with the pattern's parameters and, where a contract is given, the data of its type. */
export type ProjectionEvent<
  C extends Contract,
  Channels extends string,
  Types extends string,
> = Channels extends string
  ? string extends Types
    ? EventTypeOf<C, ChannelNameOf<Channels>> extends infer All extends string
      ? TypedEvent<C, Channels, All>
      : never
    : TypedEvent<C, Channels, Types>
  : never

type TypedEvent<C extends Contract, Channels extends string, Types extends string> = Types extends string
  ? HandlerEvent<EventDataOf<C, ChannelNameOf<Channels>, Types>, Readonly<ParamsOf<Channels>>> & {
      readonly type: Types
    }
  : never

/** What one call of `apply` has to work with. */
export interface ApplyContext<Tables extends ProjectionTables = ProjectionTables> {
  /** drizzle over the transaction in which the checkpoint moves: what is written here is there exactly once. */
  readonly db: ProjectionDb
  /** The same transaction, for hand-written SQL. */
  readonly tx: Transaction
  /** The tables of the build that is being filled. */
  readonly tables: Tables
  /**
   * Says which rows it has written or removed, where the definition has `changes`. Objects with the columns of the primary
   * key are enough; what `returning()` gives will do. Each row is read back once per batch, as it is at the end.
   */
  changed<Table extends Tables[keyof Tables]>(
    table: Table,
    rows: readonly Partial<Table['$inferSelect']>[],
  ): void
  /** True where readers see another build: whatever goes beyond the tables has been done, or will be, by that one. */
  readonly building: boolean
  /** Aborted when the work would be lost. */
  readonly signal: AbortSignal
  /** Says that it is alive, where a batch takes long. */
  heartbeat(): Promise<void>
  /** Runs right after the commit, or never. */
  afterCommit(act: () => void): void
}

/** A row that is to be told of. */
export interface RowChange {
  /** As given to `schema.table`. */
  readonly table: string
  /** The columns of the primary key, by their names in SQL. */
  readonly key: Readonly<Record<string, unknown>>
  /** By column names in SQL, as `to_jsonb` gives it; null where it is gone. */
  readonly row: Readonly<Record<string, unknown>> | null
}

/** A channel for all changes, or one for each. Undefined: nobody is told. */
export type ChangesTo = string | ((change: RowChange) => string | undefined)

/** How a projection is worked on. All may be left out. */
export interface ProjectionSettings {
  /** Events that one call gets at most (default 500, at most 1,000). */
  readonly batchSize?: number
  /** How long a batch that is not full may wait for more (default 0). */
  readonly batchDelayMs?: number
  /** Transactions at a time in one process (default 4). */
  readonly concurrency?: number
  readonly maxAttempts?: number
  readonly retryMs?: { readonly first: number; readonly most: number }
  readonly handlerTimeoutMs?: number
}

export interface ProjectionDefinition<
  C extends Contract = Contract,
  Channels extends string = string,
  Types extends string = string,
  Tables extends ProjectionTables = ProjectionTables,
> extends ProjectionSettings {
  /** Gives the events their types; nothing is checked by it. */
  readonly contract?: C
  /** Small letters, digits and _, at most 32, beginning with a letter. */
  readonly name: string
  /** 1, 2, 3 …: to be raised with every change of tables or meaning. A new version is built beside the running one. */
  readonly version: number
  /** Patterns of durable channels. */
  readonly channels: Channels | readonly Channels[]
  /** Types of events; left out: all. */
  readonly types?: Types | readonly Types[]
  readonly tables: (schema: TableMaker) => Tables
  /**
   * Writes what the events mean. They come in the order of each channel, and again when it throws; nothing else about a
   * batch is certain. Batches of different channels may be under way at once, so rows that they share have to be
   * changed in ways that allow for it (`set n = n + 1`), in one order.
   */
  readonly apply: (
    events: readonly ProjectionEvent<C, Channels, Types>[],
    context: ApplyContext<Tables>,
  ) => void | Promise<void>
  readonly changes?: ChangesTo
}

/** A projection without SQL: one state per key, folded from events. */
export interface ReducerDefinition<
  State = unknown,
  C extends Contract = Contract,
  Channels extends string = string,
  Types extends string = string,
> extends ProjectionSettings {
  readonly contract?: C
  readonly name: string
  /** To be raised with every change of `evolve`, `key` or `initial`. */
  readonly version: number
  readonly channels: Channels | readonly Channels[]
  readonly types?: Types | readonly Types[]
  /** Whose state an event belongs to (default: its channel); undefined: nobody's. */
  readonly key?: (event: ProjectionEvent<C, Channels, Types>) => string | undefined
  readonly initial: (key: string) => State
  /** Pure: returns the next state, a JSON value, and leaves the given one as it is. Null removes it. */
  readonly evolve: (state: State, event: ProjectionEvent<C, Channels, Types>) => State | null
  /** A channel for all changes, or one for each key. */
  readonly changes?: string | ((key: string) => string | undefined)
}

/** What `defineProjection` and `defineReducer` return: checked, and ready for `hf.projection`. */
export interface Projection<Tables extends ProjectionTables = ProjectionTables> {
  readonly kind: 'projection'
  readonly name: string
  readonly version: number
  readonly channels: readonly string[]
  /** Undefined: all. */
  readonly types: readonly string[] | undefined
  readonly settings: ProjectionSettings
  /** The tables under a build's names. */
  tables(schema: TableMaker): Tables
  apply(events: readonly HandlerEvent[], context: ApplyContext<Tables>): void | Promise<void>
  readonly changes: ChangesTo | undefined
}

/** The table of a reducer. */
export interface ReducedState<State> {
  readonly key: string
  readonly state: State
  /** Of the last event that was folded in. */
  readonly channel: string
  readonly offset: number
}

export interface Reducer<State = unknown, Tables extends ProjectionTables = ProjectionTables>
  extends Omit<Projection<Tables>, 'kind'> {
  readonly kind: 'reducer'
  /** As given: for tests that need no database. */
  readonly definition: ReducerDefinition<State>
}

/** `building`: not caught up yet. `standby`: kept up to date, not read. */
export type BuildState = 'building' | 'active' | 'standby' | 'dropped'

/** A table of a build, for those who do not have the definition. */
export interface BuildTable {
  /** In the schema `holdfast_projections`. */
  readonly physical: string
  /** Columns of the primary key, by their names in SQL, in its order. */
  readonly key: readonly string[]
  readonly columns: readonly { readonly name: string; readonly property: string; readonly type: string }[]
}

/** One set of tables and what fills it. */
export interface Build {
  readonly id: number
  readonly projection: string
  readonly version: number
  readonly state: BuildState
  /** The consumer group that fills it. */
  readonly group: string
  /** By the names given to `schema.table`; empty until a process that declares the version has made them. */
  readonly tables: Readonly<Record<string, BuildTable>>
  /** Milliseconds since 1970, each undefined where it has not happened. */
  readonly created: number
  readonly caughtUp: number | undefined
  /** When it last became active. */
  readonly switched: number | undefined
  readonly switchedBy: string | undefined
}
