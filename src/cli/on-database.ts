import { connectPostgres, type Sql } from '../platform/index.ts'
import { CliError } from './cli-error.ts'
import { loadConfig, required } from './config-file.ts'

/**
 * Questions that a command asks side by side each have a connection: beside one that fails, the driver keeps the process for
 * those that still wait for theirs.
 */
const mostAtOnce = 16

/**
 * Does a command's work on the database of DATABASE_URL, or of the configuration.
 * @throws CliError where it is not named, does not have the schema, or the role may not
 */
export async function onDatabase<T>(command: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  const url = (await loadConfig(process.env)).postgres?.url
  required([['DATABASE_URL', url]], command)
  const sql = connectPostgres(url ?? '', {
    max: mostAtOnce,
    applicationName: `holdfast ${command}`,
    statementTimeoutMs: 60_000,
  })
  try {
    return await work(sql)
  } catch (error) {
    throw understood(error)
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** SQLSTATEs that a person can do something about. */
function understood(error: unknown): unknown {
  const { code, message } = error as { code?: string; message: string }
  if (code === '42P01' || code === '3F000' || code === '42883')
    return new CliError('this database has no ledger yet, or an older version’s', 'run "holdfast migrate"')
  if (code === '42501')
    return new CliError(`this role may not do that: ${message}`, 'use the role that owns the schema')
  if (code === '3D000' || code?.startsWith('28')) return new CliError(message, 'look at DATABASE_URL')
  return error
}
