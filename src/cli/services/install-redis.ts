import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { findRedisServer } from './local-redis.ts'

/** Asked by `invoke-rc.d` and systemd's helpers before a package's service is started; 101 means no. */
const policy = '/usr/sbin/policy-rc.d'

/** The one command that brings a `redis-server` to this machine, for people. */
export function redisInstallCommand(): string | undefined {
  if (process.platform === 'darwin') return 'brew install redis'
  if (existsSync('/usr/bin/apt-get')) return 'sudo apt-get install redis-server'
  if (existsSync('/usr/bin/dnf')) return 'sudo dnf install redis'
  return undefined
}

/** Why a Redis can't be installed here without asking, or undefined where it can: root on a Debian. */
export function whyNoInstall(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (env['HOLDFAST_NO_INSTALL'] && env['HOLDFAST_NO_INSTALL'] !== '0') return 'HOLDFAST_NO_INSTALL is set'
  if (env['NODE_ENV'] === 'production') return 'NODE_ENV is production'
  if (!existsSync('/usr/bin/apt-get')) return 'there is no apt-get'
  if (process.getuid?.() !== 0) return 'that needs root'
  return undefined
}

/**
 * A Redis server's path: found on the PATH, else installed with apt where that is possible without asking. Says
 * what it does before it does it, and leaves no system service running or enabled.
 */
export function redisServerOrInstall(tell: (line: string) => void): { server?: string; reason?: string } {
  const found = findRedisServer()
  if (found) return { server: found }
  const reason = whyNoInstall()
  if (reason)
    return { reason: `no redis-server or valkey-server on the PATH, and none is installed because ${reason}` }
  tell(
    'no Redis on the PATH: installing it with "apt-get install redis-server" (HOLDFAST_NO_INSTALL=1 prevents this)',
  )
  const problem = install()
  const server = findRedisServer(`${process.env['PATH'] ?? ''}:/usr/bin:/usr/local/bin`)
  return server ? { server } : { reason: `"apt-get install redis-server" did not bring a Redis: ${problem}` }
}

function install(): string {
  const forbidStart = !existsSync(policy)
  try {
    if (forbidStart) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
    const args = ['install', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120', 'redis-server']
    let result = listsAreEmpty() ? undefined : apt(args)
    if (result?.status !== 0) {
      apt(['update', '-o', 'DPkg::Lock::Timeout=120'])
      result = apt(args)
    }
    return lastLine(result.stderr) || lastLine(result.stdout) || String(result.error ?? '')
  } finally {
    if (forbidStart) rmSync(policy, { force: true })
    // The package enables its service for the next boot.
    spawnSync('systemctl', ['disable', '--now', 'redis-server'], { stdio: 'ignore' })
  }
}

function apt(args: readonly string[]): ReturnType<typeof spawnSync> & { stdout: string; stderr: string } {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }
  return spawnSync('apt-get', args, { env, encoding: 'utf8', timeout: 180_000 })
}

function listsAreEmpty(): boolean {
  try {
    return !readdirSync('/var/lib/apt/lists').some(name => name.includes('_Packages'))
  } catch {
    return true
  }
}

function lastLine(text: string | null): string {
  return (text ?? '').trim().split('\n').at(-1) ?? ''
}
