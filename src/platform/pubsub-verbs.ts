import type { Redis } from 'ioredis'
import { slotOf } from './slots.ts'

/** How channels are subscribed on one connection. */
export interface PubSubVerbs {
  readonly event: 'messageBuffer' | 'smessageBuffer'
  /** Resolves when all are confirmed, or with those that this server does not serve at the moment. */
  ask(redis: Redis, names: readonly string[]): Promise<readonly string[]>
  giveUp(redis: Redis, name: string): Promise<unknown>
}

/** Names in one SUBSCRIBE command. */
const maxNames = 512

/** Channels of one Redis. */
export const plainVerbs: PubSubVerbs = {
  event: 'messageBuffer',
  async ask(redis, names) {
    for (let i = 0; i < names.length; i += maxNames) await redis.subscribe(...names.slice(i, i + maxNames))
    return []
  },
  giveUp: (redis, name) => redis.unsubscribe(name),
}

/**
 * Sharded channels of a Cluster's node: those of one command must share a slot, and the slot may have moved.
 * @param moved called for each command that was refused because another node serves the slot
 */
export function shardedVerbs(moved: () => void): PubSubVerbs {
  /** An answer of Redis (MOVED, CLUSTERDOWN …) is a refusal; anything else is trouble with the connection. */
  const refused = (error: unknown, names: readonly string[]): readonly string[] => {
    if (!(error instanceof Error && error.name === 'ReplyError')) throw error
    if (error.message.startsWith('MOVED ')) moved()
    return names
  }
  return {
    event: 'smessageBuffer',
    async ask(redis, names) {
      const asked: Promise<readonly string[]>[] = []
      for (const inSlot of Map.groupBy(names, slotOf).values()) {
        for (let i = 0; i < inSlot.length; i += maxNames) {
          const part = inSlot.slice(i, i + maxNames)
          asked.push(
            redis.ssubscribe(...part).then(
              () => [],
              error => refused(error, part),
            ),
          )
        }
      }
      return (await Promise.all(asked)).flat()
    },
    giveUp: (redis, name) => redis.sunsubscribe(name),
  }
}
