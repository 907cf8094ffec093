import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'

/** Asked by `invoke-rc.d` and systemd's helpers before a package's service is started; 101 means no. */
const policy = '/usr/sbin/policy-rc.d'
/** Enough for a hundred megabytes over a slow line. */
const timeoutMs = 300_000

/** Why nothing can be installed here without asking, or undefined where it can: root on a Debian. */
export function whyNoInstall(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (env['HOLDFAST_NO_INSTALL'] && env['HOLDFAST_NO_INSTALL'] !== '0') return 'HOLDFAST_NO_INSTALL is set'
  if (env['NODE_ENV'] === 'production') return 'NODE_ENV is production'
  if (!existsSync('/usr/bin/apt-get')) return 'there is no apt-get'
  if (process.getuid?.() !== 0) return 'that needs root'
  return undefined
}

/** Installs a package and starts none of its services. Returns what apt said last, which counts where it has failed. */
export function aptInstall(name: string): string {
  const forbidStart = !existsSync(policy)
  try {
    if (forbidStart) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
    const args = ['install', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120', name]
    let result = listsAreEmpty() ? undefined : apt(args)
    if (result?.status !== 0) {
      apt(['update', '-o', 'DPkg::Lock::Timeout=120'])
      result = apt(args)
    }
    return lastLine(result.stderr) || lastLine(result.stdout) || String(result.error ?? '')
  } finally {
    if (forbidStart) rmSync(policy, { force: true })
  }
}

function apt(args: readonly string[]): ReturnType<typeof spawnSync> & { stdout: string; stderr: string } {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }
  return spawnSync('apt-get', args, { env, encoding: 'utf8', timeout: timeoutMs })
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
