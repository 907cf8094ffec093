import postgres from 'postgres'
import { gatedPool, type Sql } from './gated-pool.ts'
import type { Logger } from './logger.ts'
import { ormTypes } from './orm-types.ts'
import { PoolSockets } from './pool-sockets.ts'

export type { Sql }
/** A transaction under way: queries as with `Sql`. */
export type Transaction = postgres.TransactionSql

export interface PostgresOptions {
  /** Connections in the pool. */
  readonly max: number
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string
  /** Milliseconds after which the server gives up a statement; a client that waits longer learns nothing. */
  readonly statementTimeoutMs?: number
  /** Further settings of each session, by their Postgres names. */
  readonly settings?: Readonly<Record<string, string>>
  /**
   * For drizzle (`ormOver`): values come as it wants them, which is text for JSON and times. The default is for hand-written
   * statements.
   */
  readonly orm?: boolean
  readonly logger?: Logger
}

/** For the socket, and again for the greeting. */
const connectSeconds = 5

const handWrittenTypes = { bigint: { to: 20, from: [20], parse: Number, serialize: String } }

/**
 * A pool of connections with hand-written SQL. drizzle changes the serializers of the client it is given, so it
 * never shares one with the ledger.
 */
export function connectPostgres(url: string, options: PostgresOptions): Sql {
  const sockets = new PoolSockets(1_000 * connectSeconds)
  const sql = postgres(url, {
    socket: sockets.open,
    max: options.max,
    connect_timeout: connectSeconds,
    idle_timeout: 0,
    max_lifetime: null,
    // The driver asks for the array types after connecting, and when the connection ends meanwhile nobody catches
    // it: an unhandled rejection, which ends the process. Without them arrays go as literals (`'{1,2}'::int[]`).
    fetch_types: false,
    backoff: () => Math.min(0.05 * 2 ** sockets.failures, 1) * (0.5 + Math.random()),
    onnotice: notice => options.logger?.debug({ notice: notice['message'] }, 'postgres notice'),
    types: options.orm ? ormTypes : handWrittenTypes,
    connection: {
      application_name: options.applicationName,
      synchronous_commit: 'on',
      statement_timeout: options.statementTimeoutMs ?? 10_000,
      idle_in_transaction_session_timeout: 10_000,
      ...options.settings,
    },
  } as postgres.Options<Record<string, postgres.PostgresType>>) as unknown as Sql
  const { end } = sql
  const whole = Object.assign(sql, {
    end: (bounds?: { timeout?: number }) => end(bounds).finally(() => sockets.end()),
  })
  return gatedPool(whole, sockets)
}
