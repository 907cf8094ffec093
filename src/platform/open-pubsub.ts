import type { Logger } from './logger.ts'
import { PubSub, type PubSubTimings, type Subscriptions } from './pubsub.ts'
import { isCluster, type RedisTarget } from './redis-target.ts'
import { ShardedPubSub } from './sharded-pubsub.ts'

/** Pub/Sub over whatever Redis is configured; over a Cluster the sharded one. */
export function openPubSub(
  target: RedisTarget,
  name: string,
  logger?: Logger,
  timings: Partial<PubSubTimings> = {},
): Subscriptions {
  return isCluster(target)
    ? new ShardedPubSub(target.cluster, name, logger, timings)
    : new PubSub(target, name, logger, timings)
}
