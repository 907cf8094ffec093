import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { aptInstall, whyNoInstall } from './apt.ts'
import { findRedisServer } from './local-redis.ts'

/** The one command that brings a `redis-server` to this machine, for people. */
export function redisInstallCommand(): string | undefined {
  if (process.platform === 'darwin') return 'brew install redis'
  if (existsSync('/usr/bin/apt-get')) return 'sudo apt-get install redis-server'
  if (existsSync('/usr/bin/dnf')) return 'sudo dnf install redis'
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
  const said = aptInstall('redis-server')
  // The package enables its service for the next boot.
  spawnSync('systemctl', ['disable', '--now', 'redis-server'], { stdio: 'ignore' })
  return said
}
