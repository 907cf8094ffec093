import type { Redis } from 'ioredis'
import { slotOf } from './slots.ts'

/** How channels are subscribed on one connection. */
export interface PubSubVerbs {
  readonly event: 'messageBuffer' | 'smessageBuffer'
  /** Resolves when all are confirmed, or with those that this server refuses and what it says. */
  ask(redis: Redis, names: readonly string[]): Promise<ReadonlyMap<string, Error>>
  giveUp(redis: Redis, name: string): Promise<unknown>
}

/** Names in one SUBSCRIBE command. */
const maxNames = 512

/** The user that this connection has logged in as may not use the name, now or later. */
export function isDenied(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError' && error.message.startsWith('NOPERM')
}

function noteDenied(denied: Map<string, Error>, name: string, error: unknown): void {
  if (!isDenied(error)) throw error
  denied.set(name, error)
}

/** Channels of one Redis. */
export const plainVerbs: PubSubVerbs = {
  event: 'messageBuffer',
  async ask(redis, names) {
    const denied = new Map<string, Error>()
    for (let i = 0; i < names.length; i += maxNames) {
      const part = names.slice(i, i + maxNames)
      try {
        await redis.subscribe(...part)
      } catch (error) {
        if (!isDenied(error)) throw error
        // One name that is denied takes all others of its command with it.
        await Promise.all(
          part.map(name => redis.subscribe(name).catch(error => noteDenied(denied, name, error))),
        )
      }
    }
    return denied
  },
  giveUp: (redis, name) => redis.unsubscribe(name),
}

/**
 * Sharded channels of a Cluster's node: those of one command must share a slot, and the slot may have moved.
 * @param moved called for each command that was refused because another node serves the slot
 */
export function shardedVerbs(moved: () => void): PubSubVerbs {
  /** An answer of Redis (MOVED, CLUSTERDOWN …) is a refusal; anything else is trouble with the connection. */
  const refused = (error: unknown, names: readonly string[]): [string, Error][] => {
    if (!(error instanceof Error && error.name === 'ReplyError')) throw error
    if (error.message.startsWith('MOVED ')) moved()
    return names.map(name => [name, error])
  }
  const askOne = (redis: Redis, name: string): Promise<[string, Error][]> =>
    redis.ssubscribe(name).then(
      () => [],
      error => refused(error, [name]),
    )
  return {
    event: 'smessageBuffer',
    async ask(redis, names) {
      const asked: Promise<[string, Error][]>[] = []
      for (const inSlot of Map.groupBy(names, slotOf).values()) {
        for (let i = 0; i < inSlot.length; i += maxNames) {
          const part = inSlot.slice(i, i + maxNames)
          asked.push(
            redis.ssubscribe(...part).then(
              () => [],
              async error =>
                isDenied(error) && part.length > 1
                  ? (await Promise.all(part.map(name => askOne(redis, name)))).flat()
                  : refused(error, part),
            ),
          )
        }
      }
      return new Map((await Promise.all(asked)).flat())
    },
    giveUp: (redis, name) => redis.sunsubscribe(name),
  }
}
