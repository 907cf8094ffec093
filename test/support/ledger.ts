import { inject } from 'vitest'
import { createPostgresLedger, type PostgresLedgerOptions } from '../../src/durable/index.ts'
import type { Ledger } from '../../src/durable/ledger/ledger.ts'
import { connectPostgres, type Sql } from '../../src/platform/index.ts'
import { migratedDatabase } from './database.ts'

export interface TestLedger {
  readonly url: string
  /** One per node that shares the database. */
  readonly ledgers: readonly [Ledger, Ledger]
  /** The owner's own connection, to look at what is really there. */
  readonly sql: Sql
  open(options?: Partial<PostgresLedgerOptions>): Promise<Ledger>
  close(): Promise<void>
}

/** A fresh, migrated database and two nodes' ledgers over it. */
export async function testLedger(options: Partial<PostgresLedgerOptions> = {}): Promise<TestLedger> {
  const database = await migratedDatabase(inject('postgresUrl'))
  const opened: Ledger[] = []
  const open = async (more: Partial<PostgresLedgerOptions> = {}) => {
    const ledger = await createPostgresLedger({
      url: database.url,
      poolSize: 3,
      lanes: 1,
      allowUnsafeFsync: false,
      ...options,
      ...more,
    })
    opened.push(ledger)
    return ledger
  }
  const ledgers = [await open(), await open()] as const
  const sql = connectPostgres(database.url, { max: 2, applicationName: 'holdfast-test' })
  return {
    url: database.url,
    ledgers: [...ledgers],
    sql,
    open,
    async close() {
      await Promise.all(opened.map(ledger => ledger.close()))
      await sql.end({ timeout: 1 })
      await database.drop()
    },
  }
}
