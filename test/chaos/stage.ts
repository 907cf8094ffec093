import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { redisServerOrInstall } from '../../src/cli/services/install-redis.ts'
import { startLocalPostgres } from '../../src/cli/services/local-postgres.ts'
import { startLocalRedis } from '../../src/cli/services/local-redis.ts'
import { Keeper } from './keeper.ts'
import { startServer } from './server.ts'
import type { Stage } from './types.ts'

export interface StageOptions {
  /** The `redis-server` to start; by default the one on the PATH. */
  readonly redisServer?: string
  readonly random: () => number
  readonly say?: (line: string) => void
}

type StartOne = Parameters<typeof startServer>[0]['start']

export interface OwnStage extends Stage, AsyncDisposable {
  readonly keeper: Keeper
  readonly redisServer: string
}

/**
 * A Redis and a Postgres of a run's own, in a temporary folder. Redis writes all to its append-only file, though
 * Holdfast needs nothing of it, so that a fault can bring it back with everything, a part, or nothing.
 */
export async function openStage({
  redisServer,
  random,
  say = () => undefined,
}: StageOptions): Promise<OwnStage> {
  const server = redisServer ?? redisServerOrInstall(say).server
  if (!server) throw new Error('the chaos suite needs a redis-server or valkey-server on the PATH')
  const stack = new AsyncDisposableStack()
  const keeper = new Keeper()
  stack.defer(() => keeper.release())
  const folder = (path: string) => {
    keeper.folder(path)
    stack.defer(() => rm(path, { recursive: true, force: true, maxRetries: 5 }))
    return path
  }
  try {
    const directory = folder(await mkdtemp(join(tmpdir(), 'holdfast-chaos-')))
    // Run by root, Postgres is another user, who must be able to get in.
    await chmod(directory, 0o755)
    const redisDirectory = join(directory, 'redis')
    await mkdir(redisDirectory)
    const started = async (start: StartOne) => {
      const one = await startServer({ keeper, random, start })
      stack.defer(() => one.close())
      return one
    }
    let postgresDirectory = join(directory, 'postgres')
    const [redis, postgres] = await Promise.all([
      started(async (port, more) => {
        const flags = [...redisFlags, '--dir', redisDirectory, ...more]
        const one = await startLocalRedis({ server, flags, ...(port !== undefined && { port }) })
        return { ...one, directory: redisDirectory }
      }),
      started(async (port, more) => {
        const flags = [...postgresFlags, ...more]
        const one = await startLocalPostgres({
          directory: postgresDirectory,
          flags,
          tell: say,
          ...(port !== undefined && { port }),
        })
        if (one.directory !== postgresDirectory) postgresDirectory = folder(one.directory)
        return one
      }),
    ])
    return {
      redis,
      postgres,
      directory,
      keeper,
      redisServer: server,
      defer: end => stack.defer(end),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

/** Far more than a run needs: a Redis without a limit cannot say how full it is. */
export const redisMemory = '1gb'
const redisFlags = [
  ...['--appendonly', 'yes', '--appendfsync', 'everysec', '--enable-debug-command', 'local'],
  ...['--maxmemory', redisMemory, '--maxmemory-policy', 'noeviction'],
]
const postgresFlags = ['-c', 'max_connections=200']
