import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { startLocalRedis } from '../../../src/cli/services/local-redis.ts'
import { tcpProxy } from '../../support/tcp-proxy.ts'
import { until } from '../../support/until.ts'
import type { OwnStage } from '../stage.ts'
import type { Fault } from '../types.ts'
import { askRedis } from './ask-redis.ts'

/**
 * A replica that has stopped hearing of the master 1.5 s before that dies is promoted and takes its place: what was
 * written in between never was. A replica that merely stands still would not do: the bytes wait in its kernel.
 */
export const redisFailover: Fault = {
  name: 'redis-fails-over-to-lagging-replica',
  about: 'SIGKILL to Redis; a replica that lags 1.5 s behind is promoted and takes its address',
  async inject(stage) {
    const { redis, directory, redisServer, keeper } = stage as OwnStage
    const folder = join(directory, `replica-${Date.now()}`)
    await mkdir(folder)
    const link = await tcpProxy(redis.directUrl)
    const replica = await startLocalRedis({
      server: redisServer,
      flags: [
        '--dir',
        folder,
        '--replicaof',
        '127.0.0.1',
        String(link.port),
        '--repl-diskless-sync-delay',
        '0',
      ],
    })
    keeper.process(replica.process.pid ?? 0)
    const there = { directUrl: replica.url }
    stage.defer(async () => {
      await replica.stop()
      await link.close()
    })
    await until('the replica has everything', async () =>
      /master_link_status:up/.test(await askRedis(there, each => each.info('replication'))),
    )
    link.hold()
    await new Promise(resolve => setTimeout(resolve, 1_500))
    await redis.kill()
    return async () => {
      await askRedis(there, each => each.replicaof('NO', 'ONE'))
      redis.proxy.pointTo(replica.url)
      await rm(join(redis.directory, 'appendonlydir'), { recursive: true, force: true })
    }
  },
  // The stage's Redis is another process now.
  spoils: true,
}
