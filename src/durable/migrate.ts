import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { DrizzleQueryError } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate as drizzleMigrate } from 'drizzle-orm/postgres-js/migrator'
import { HoldfastError } from '../domain/index.ts'
import { connectPostgres, type Logger, type Sql } from '../platform/index.ts'
import { postgresError } from './ledger/postgres-error.ts'

interface Migration {
  /** Name of its file. */
  readonly tag: string
  /** When it was generated, in milliseconds: what the database remembers of it. */
  readonly when: number
}

/** In the ledger's own schema: an application that uses drizzle on the same database has a table of its own. */
const table = { migrationsSchema: 'holdfast', migrationsTable: 'migrations' }
const lockWaitMs = 60_000

/**
 * Brings the database to the schema of this code and returns the tags of what it applied. Several nodes may call
 * it at once: one works, the others wait for it.
 * @throws HoldfastError CONFIG_INVALID where the database is too new for the code, or a migration was left out;
 *   DEPENDENCY_* where Postgres does not answer
 */
export async function migrate(url: string, logger?: Logger): Promise<readonly string[]> {
  return onOneConnection(url, logger, async sql => {
    const known = knownMigrations()
    // Of the session, not of a transaction: drizzle makes its table before its transaction begins.
    await sql`select set_config('lock_timeout', ${String(lockWaitMs)}, false)`
    await sql`select pg_advisory_lock(1212566596, -1)`
    const pending = await missing(sql, known, logger)
    if (pending.length === 0) return []
    await drizzleMigrate(drizzle({ client: sql }), { migrationsFolder: migrationsFolder(), ...table })
    // drizzle applies what is younger than the last one applied, and passes over the rest without a word.
    const left = await missing(sql, known, logger)
    if (left.length > 0) {
      throw new HoldfastError('CONFIG_INVALID', `migrations were passed over: ${left.join(', ')}`, {
        details: { migrations: left },
      })
    }
    logger?.info({ applied: pending }, 'database migrated')
    return pending
  })
}

/**
 * The tags of the migrations that the database still needs; empty where it is ready.
 * @throws HoldfastError CONFIG_INVALID where the database is too new for the code; DEPENDENCY_*
 */
export async function pendingMigrations(url: string, logger?: Logger): Promise<readonly string[]> {
  return onOneConnection(url, logger, sql => missing(sql, knownMigrations(), logger))
}

async function onOneConnection<T>(
  url: string,
  logger: Logger | undefined,
  work: (sql: Sql) => Promise<T>,
): Promise<T> {
  // A client of its own: drizzle changes the serializers of the one it is given.
  const sql = connectPostgres(url, {
    max: 1,
    applicationName: 'holdfast-migrate',
    statementTimeoutMs: 0,
    ...(logger && { logger }),
  })
  try {
    return await work(sql)
  } catch (error) {
    // drizzle's own message is the whole migration; what went wrong is in its cause.
    throw postgresError(error instanceof DrizzleQueryError ? error.cause : error)
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** `migrations/` lies beside `src/` and `dist/`, which have the same depth. */
function migrationsFolder(): string {
  return fileURLToPath(new URL('../../migrations', import.meta.url))
}

function knownMigrations(): readonly Migration[] {
  const journal = JSON.parse(readFileSync(`${migrationsFolder()}/meta/_journal.json`, 'utf8')) as {
    entries: Migration[]
  }
  return journal.entries
}

async function appliedMigrations(sql: Sql): Promise<ReadonlySet<number>> {
  const [found] = await sql<
    { there: boolean }[]
  >`select to_regclass('holdfast.migrations') is not null as there`
  if (!found?.there) return new Set()
  const rows = await sql<{ when: string }[]>`select created_at as when from holdfast.migrations`
  return new Set(rows.map(row => Number(row.when)))
}

/**
 * What the code knows and the database has not. While nodes are replaced one by one, the old ones run on a schema that
 * is newer than they are, and may have to start on it: migrations only add what older releases can live with. One that
 * takes something away is for the release after, and says in `holdfast.least_migration()` which migration a node must know.
 */
async function missing(
  sql: Sql,
  known: readonly Migration[],
  logger: Logger | undefined,
): Promise<readonly string[]> {
  const applied = await appliedMigrations(sql)
  const pending = known.filter(migration => !applied.has(migration.when)).map(migration => migration.tag)
  const unknown = [...applied].filter(when => !known.some(migration => migration.when === when))
  if (unknown.length === 0) return pending
  const newest = Math.max(0, ...known.map(migration => migration.when))
  if (pending.length > 0 || (await leastMigration(sql)) > newest) {
    throw new HoldfastError(
      'CONFIG_INVALID',
      `the database is too new for this Holdfast: it has ${unknown.length} migration(s) that this version does not know; run a newer version`,
      { details: { unknown, pending } },
    )
  }
  logger?.warn({ unknown }, 'the database is newer than this release, which can run on it')
  return []
}

async function leastMigration(sql: Sql): Promise<number> {
  const [found] = await sql<{ there: boolean }[]>`
    select to_regprocedure('holdfast.least_migration()') is not null as there`
  if (!found?.there) return 0
  const [row] = await sql<{ least: string }[]>`select holdfast.least_migration() as least`
  return Number(row?.least ?? 0)
}
