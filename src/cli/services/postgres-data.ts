import { spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { CliError } from '../cli-error.ts'
import type { PostgresBinaries } from './postgres-binaries.ts'
import { processCommand, processGone, processMark, signalProcess } from './process-mark.ts'
import type { Account } from './server-account.ts'

/** Makes the data directory where there is none. A half-made one is never taken for a whole: it gets its name last. */
export function prepareData(
  directory: string,
  binaries: PostgresBinaries,
  account: Account | undefined,
): void {
  const version = readText(join(directory, 'PG_VERSION'))?.trim()
  if (version === binaries.major) return
  if (version !== undefined) {
    throw new CliError(
      `${directory} holds the data of Postgres ${version}, and this is Postgres ${binaries.major}`,
      `keep it elsewhere or remove it (its events are then gone), or set DATABASE_URL to a Postgres ${version}`,
    )
  }
  const half = `${directory}.half`
  rmSync(half, { recursive: true, force: true })
  mkdirSync(half, { mode: 0o700 })
  if (account) chownSync(half, account.uid, account.gid)
  const result = spawnSync(
    binaries.initdb,
    ['--pgdata', half, '--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'],
    { encoding: 'utf8', cwd: '/', env: { ...process.env, LC_ALL: 'C' }, ...account },
  )
  if (result.status !== 0) {
    throw new CliError(
      `Postgres could not make its data directory ${directory}:\n${result.stderr || result.error}`,
    )
  }
  renameSync(half, directory)
}

/** Stops a server that a killed start has left on this data, and removes the traces of one that is gone. */
export async function clearLeftover(directory: string, log: (line: string) => void): Promise<void> {
  const file = join(directory, 'postmaster.pid')
  const pid = Number.parseInt(readText(file) ?? '', 10)
  if (!Number.isInteger(pid)) return
  const mark = processMark(pid)
  if (mark !== undefined && processCommand(pid)?.includes(directory)) {
    log(`stopping the Postgres (process ${pid}) that an earlier start has left behind`)
    signalProcess(pid, 'SIGINT')
    if (!(await processGone(pid, mark, 8_000))) {
      signalProcess(pid, 'SIGQUIT')
      await processGone(pid, mark, 4_000)
    }
  }
  // The number may belong to another process by now, which would keep Postgres from starting.
  if (existsSync(file)) rmSync(file, { force: true })
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
