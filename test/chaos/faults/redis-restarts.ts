import { cp, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Dependency, Fault, Stage } from '../types.ts'
import { askRedis } from './ask-redis.ts'

const appendOnly = (redis: Dependency) => join(redis.directory, 'appendonlydir')

/** Faults after which Redis comes back with everything, a part, or nothing of what it had. */
export const redisRestarts: readonly Fault[] = [
  killed('redis-restarts-empty', 'SIGKILL to Redis, which comes back without anything', ({ redis }) =>
    rm(appendOnly(redis), { recursive: true, force: true }),
  ),
  killed(
    'redis-restarts',
    'SIGKILL to Redis, which comes back with its append-only file',
    async () => undefined,
  ),
  {
    name: 'redis-restarts-older',
    about: 'SIGKILL to Redis, which comes back as it was a moment before the fault',
    async inject({ redis, directory }) {
      const copy = join(directory, 'older')
      await rm(copy, { recursive: true, force: true })
      await cp(appendOnly(redis), copy, { recursive: true })
      // What it then forgets.
      await delay(1_500)
      await redis.kill()
      return async () => {
        await rm(appendOnly(redis), { recursive: true })
        await cp(copy, appendOnly(redis), { recursive: true })
        await redis.startAgain()
      }
    },
  },
  killed(
    'redis-restarts-truncated',
    'SIGKILL to Redis, whose append-only file then ends in the middle of its last tenth',
    async ({ redis }, random) => {
      const directory = appendOnly(redis)
      const name = (await readdir(directory)).find(each => each.endsWith('.incr.aof')) ?? ''
      const file = await open(join(directory, name), 'r+')
      const { size } = await file.stat()
      await file.truncate(Math.floor(size * (0.9 + 0.1 * random())))
      await file.close()
    },
  ),
  {
    name: 'redis-flushed',
    about: 'FLUSHALL: everything is gone, and no connection notices',
    holdMs: 500,
    async inject({ redis }) {
      await askRedis(redis, each => each.flushall())
      return async () => undefined
    },
  },
]

/** Dead while the fault is in force; `before` is done to its files before it comes back. */
function killed(
  name: string,
  about: string,
  before: (stage: Stage, random: () => number) => Promise<unknown>,
): Fault {
  return {
    name,
    about,
    async inject(stage, _running, random) {
      await stage.redis.kill()
      return async () => {
        await before(stage, random)
        await stage.redis.startAgain()
      }
    },
  }
}
