import { randomBytes } from 'node:crypto'
import type { LogRedis } from '../mirror/log-redis.ts'
import type { PartitionMirrors } from '../mirror/partition-mirror.ts'

export interface ErasedEvent {
  readonly epoch: string
  readonly partition: number
  readonly channel: string
  readonly position: number
}

/** Where copies of events are in Redis. */
export interface Copies {
  readonly log: LogRedis
  readonly mirrors: PartitionMirrors
}

/** Keys of one SCAN step. */
const scanCount = 1_000

/**
 * Removes the copies of an erased event from Redis: the log's and the history's entry, and the histories of former
 * generations, which are only left to expire. `head` is the partition's in the ledger.
 * @throws HoldfastError DEPENDENCY_* while Redis is away
 */
export async function forgetCopies(
  { log, mirrors }: Copies,
  event: ErasedEvent,
  head: number,
): Promise<void> {
  const { epoch, partition, channel } = event
  const tag = `{${epoch}.${partition}}:`
  if (epoch !== mirrors.epoch) return removeKeys(log, `${tag}*`, key => key.startsWith(tag))
  await mirrors.forgetEvent(partition, event, randomBytes(6).toString('base64url'), head)
  const histories = `${tag}h:`
  await removeKeys(log, `${histories}*:${escaped(channel)}`, key => {
    // A generation has no colon, a channel may.
    return key.slice(key.indexOf(':', histories.length) + 1) === channel
  })
}

async function removeKeys(log: LogRedis, pattern: string, wanted: (key: string) => boolean): Promise<void> {
  let at = '0'
  do {
    const [next, found] = await log.call(redis => redis.scan(at, 'MATCH', pattern, 'COUNT', scanCount))
    const keys = found.filter(wanted)
    if (keys.length > 0) await log.call(redis => redis.unlink(...keys))
    at = next
  } while (at !== '0')
}

/** A channel's name may contain what means something in a pattern. */
function escaped(channel: string): string {
  return channel.replace(/[\\*?[\]]/g, '\\$&')
}
