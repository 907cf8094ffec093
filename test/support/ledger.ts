import { inject } from 'vitest'
import type { HoldfastError } from '../../src/domain/index.ts'
import { createPostgresLedger, type PostgresLedgerOptions } from '../../src/durable/index.ts'
import type { Ledger } from '../../src/durable/ledger/ledger.ts'
import { connectPostgres, type Sql } from '../../src/platform/index.ts'
import { migratedDatabase } from './database.ts'
import { until } from './until.ts'

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
    const ledger = await patiently(() =>
      createPostgresLedger({
        url: database.url,
        poolSize: 3,
        lanes: 1,
        allowUnsafeFsync: false,
        ...options,
        ...more,
        // Tests append thousands at once, and a machine that runs tests is slow at times.
        limits: { deadlineMs: 30_000, ...options.limits, ...more.limits },
      }),
    )
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

/** Begins again where Postgres was too slow for a node that starts, as who starts nodes does. */
async function patiently<T>(begin: () => Promise<T>): Promise<T> {
  return until('Postgres answers', () =>
    begin().catch((error: HoldfastError) => {
      if (error.remedy === 'retry_later') return undefined
      throw error
    }),
  ) as Promise<T>
}
