import { execFileSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

export interface RedisServer {
  readonly file: string
  /** As it says itself. */
  readonly version: string
}

/**
 * Servers besides the one that all tests run against: another `redis-server` or `valkey-server` on the PATH, and the
 * one that HOLDFAST_TEST_REDIS_SERVER names, which counts also where it is the same.
 */
export function otherRedisServers(usual: string): readonly RedisServer[] {
  const named = process.env['HOLDFAST_TEST_REDIS_SERVER']
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const found = ['valkey-server', 'redis-server'].flatMap(name => folders.map(folder => join(folder, name)))
  const servers = new Map<string, RedisServer>()
  for (const file of found.filter(isProgram)) servers.set(versionOf(file), { file, version: versionOf(file) })
  servers.delete(versionOf(usual))
  if (named) servers.set(versionOf(named), { file: named, version: versionOf(named) })
  return [...servers.values()]
}

export function versionOf(file: string): string {
  const [version = file] = /^.*?v=\S+/.exec(execFileSync(file, ['--version'], { encoding: 'utf8' })) ?? []
  return version
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
