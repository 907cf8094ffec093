import { spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { CliError } from '../cli-error.ts'

/** The user a server runs as when we are root, which Postgres refuses to be. */
export interface Account {
  readonly uid: number
  readonly gid: number
}

/** The account `postgres`, made where it is missing; undefined where we are not root. */
export function postgresAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined
  const found = lookUp()
  if (found) return found
  const made =
    spawnSync('useradd', [
      '--system',
      '--user-group',
      '--no-create-home',
      '--shell',
      '/usr/sbin/nologin',
      'postgres',
    ]).status === 0 || spawnSync('adduser', ['-S', '-D', '-H', 'postgres']).status === 0
  const account = made ? lookUp() : undefined
  if (account) return account
  throw new CliError(
    'Postgres does not run as root, and the user "postgres" could not be made',
    'make that user, run as another user, or set DATABASE_URL to a Postgres you have',
  )
}

function lookUp(): Account | undefined {
  const local = readFileSync('/etc/passwd', 'utf8').match(/^postgres:[^:]*:(\d+):(\d+):/m)
  if (local) return { uid: Number(local[1]), gid: Number(local[2]) }
  // Accounts may come from elsewhere (LDAP, NIS).
  const id = (flag: string) =>
    Number.parseInt(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout, 10)
  const [uid, gid] = [id('-u'), id('-g')]
  return Number.isInteger(uid) && Number.isInteger(gid) ? { uid, gid } : undefined
}

/**
 * Whether `account` may pass through every existing folder down to `path` and, where `path` exists, read it (and
 * look into it, if it is a folder). A checkout under /root (mode 700) is out of reach for everyone but root.
 */
export function canReach(path: string, account: Account | undefined): boolean {
  if (!account) return true
  const full = resolve(path)
  for (let at = dirname(full); ; at = dirname(at)) {
    if (!allows(at, account, 0o1)) return false
    if (at === dirname(at)) break
  }
  return allows(full, account, 0o5)
}

function allows(path: string, account: Account, bits: number): boolean {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat) return true
  if (stat.uid === account.uid) return ((stat.mode >> 6) & bits) === bits
  if (stat.gid === account.gid) return ((stat.mode >> 3) & bits) === bits
  return (stat.mode & bits) === bits
}
