import { PgDialect } from 'drizzle-orm/pg-core/dialect'
import { PostgresJsSession, PostgresJsTransaction } from 'drizzle-orm/postgres-js/session'
import type { Sql, Transaction } from './postgres.ts'

type NoSchema = Record<string, never>
/** What a session says that it needs; all that it uses a transaction has. */
type Asked = Sql & Transaction

/** drizzle over a transaction under way; its own `transaction` is a savepoint. */
export type Orm = PostgresJsTransaction<NoSchema, NoSchema>

/**
 * drizzle over a transaction of a connection that was opened with `orm: true`. drizzle's own way, `drizzle(client)`,
 * changes the client that it is given, for everybody who shares it. Nothing can be sent through it after the
 * transaction's end, as with `tx` itself.
 */
export function ormOver(tx: Transaction): Orm {
  const dialect = new PgDialect()
  const session = new PostgresJsSession<Asked, NoSchema, NoSchema>(tx as Asked, dialect, undefined)
  return new PostgresJsTransaction(dialect, session, undefined)
}
