import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { redisInstallCommand, redisServerOrInstall } from '../../src/cli/services/install-redis.ts'
import { startLocalPostgres } from '../../src/cli/services/local-postgres.ts'
import { startLocalRedis } from '../../src/cli/services/local-redis.ts'
import { buildProgram } from './program.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** A superuser's connection string of the run's Postgres; make a database of your own with `freshDatabase`. */
    postgresUrl: string
    /** The run's shared Redis. Tests that kill or wipe a Redis start one of their own. */
    redisUrl: string
    redisServer: string
    /** The path of a `bin/holdfast` that begins fast; see `buildProgram`. */
    program: string
  }
}

const tell = (line: string) => console.log(`holdfast: ${line}`)

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { server, reason } = redisServerOrInstall(tell)
  if (!server) {
    const help = redisInstallCommand() ?? 'put a redis-server or valkey-server on the PATH'
    console.error(`holdfast: the tests need a Redis: ${reason}\n  → ${help}`)
    // An error thrown here would be shown with the stack of vitest's inside.
    process.exit(1)
  }
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-pg-'))
  const [program, postgres, redis] = await Promise.all([
    buildProgram(join(directory, 'program')),
    startLocalPostgres({
      directory: join(directory, 'data'),
      flags: ['-c', 'max_connections=300'],
      tell,
    }),
    startLocalRedis({ server }),
  ])
  project.provide('program', program)
  project.provide('postgresUrl', postgres.url)
  project.provide('redisUrl', redis.url)
  project.provide('redisServer', server)
  return async () => {
    await Promise.all([postgres.stop(), redis.stop()])
    // A server's last process may write for a moment after the first one has ended.
    const patiently = { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }
    for (const each of [directory, postgres.directory]) await rm(each, patiently)
  }
}
