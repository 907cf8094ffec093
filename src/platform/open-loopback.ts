import type { Logger } from './logger.ts'
import { LoopBack } from './loopback.ts'
import { ShardedLoop } from './loopback-shards.ts'
import type { Subscriptions } from './pubsub.ts'
import { ShardedPubSub } from './sharded-pubsub.ts'

/** The loop-back of a Pub/Sub, over one connection or over the several of a Cluster. */
export function openLoopBack(options: {
  pubsub: Subscriptions
  /** Bus channels of this node's own: one, or on a Cluster so many that every connection has one. */
  names: readonly string[]
  /** Publishes pairs of channel and message; resolves when Redis has handed them to its subscribers. */
  publish: (pairs: readonly string[]) => Promise<unknown>
  logger: Logger
  onChange?: () => void
}): LoopBack {
  const { pubsub, names, publish, logger, onChange } = options
  const loop = pubsub instanceof ShardedPubSub ? new ShardedLoop(pubsub, names, publish) : undefined
  return new LoopBack({
    pubsub: loop ?? pubsub,
    channel: names[0] ?? '',
    publish: loop?.publish ?? ((...message) => publish(message)),
    logger,
    ...(onChange && { onChange }),
  })
}
