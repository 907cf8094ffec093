import { type Logger, type LoopBack, openLoopBack, type Subscriptions } from '../../platform/index.ts'
import type { LogRedis } from './log-redis.ts'

/** So many that every master of a Cluster serves one. */
const shards = 128

/** The node hears itself over the log's bus, or has its subscriber connected anew. */
export function openLogLoopBack(
  redis: LogRedis,
  pubsub: Subscriptions,
  node: string,
  logger: Logger,
): LoopBack {
  const names = redis.sharded
    ? Array.from({ length: shards }, (_, i) => `{holdfast.log.${i}}:loopback:${node}`)
    : [`holdfast:log:loopback:${node}`]
  return openLoopBack({
    pubsub,
    names,
    logger,
    publish: pairs =>
      redis.call(client =>
        Promise.all(
          Array.from({ length: pairs.length / 2 }, (_, i) => {
            const [channel = '', message = ''] = pairs.slice(2 * i)
            return redis.sharded ? client.spublish(channel, message) : client.publish(channel, message)
          }),
        ),
      ),
  })
}
