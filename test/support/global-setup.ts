import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { startLocalPostgres } from '../../src/cli/services/local-postgres.ts'
import { findRedisServer, startLocalRedis } from '../../src/cli/services/local-redis.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** A superuser's connection string of the run's Postgres; make a database of your own with `freshDatabase`. */
    postgresUrl: string
    /** The run's shared Redis. Tests that kill or wipe a Redis start one of their own. */
    redisUrl: string
    redisServer: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = findRedisServer()
  if (!server) throw new Error('no redis-server on the PATH; `npm test` installs one where it can')
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-pg-'))
  const postgres = await startLocalPostgres({ directory: join(directory, 'data'), flags: ['-c', 'max_connections=300'] })
  const redis = await startLocalRedis({ server })
  project.provide('postgresUrl', postgres.url)
  project.provide('redisUrl', redis.url)
  project.provide('redisServer', server)
  return async () => {
    await Promise.all([postgres.stop(), redis.stop()])
    await rm(directory, { recursive: true, force: true })
  }
}
