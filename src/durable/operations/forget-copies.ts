import { randomBytes } from 'node:crypto'
import type { LogRedis } from '../mirror/log-redis.ts'
import type { PartitionMirrors } from '../mirror/partition-mirror.ts'

export interface ErasedEvent {
  readonly epoch: string
  readonly partition: number
  readonly channel: string
  readonly position: number
  readonly offset: number
  readonly eventId: string
  /** The partition's head in the ledger. */
  readonly head: number
}

/** Where copies of events are in Redis. */
export interface Copies {
  readonly log: LogRedis
  readonly mirrors: PartitionMirrors
}

/** A stream in which an event may stand: a partition's log, or where it has a channel, that one's history. */
interface Stream {
  readonly key: string
  readonly epoch: string
  readonly partition: number
  readonly channel: string | undefined
}

/** Keys of one SCAN step. */
const scanCount = 1_000

/**
 * Removes the copies of erased events from Redis: the entries in the log and in the histories, those of former generations and
 * former epochs too, which are only left to expire. All keys are gone through once, however many events there are; on a
 * Cluster node by node, where a slot that is moved meanwhile may be passed over and is found by the second look.
 * @throws HoldfastError DEPENDENCY_* while Redis is away
 */
export async function forgetCopies(copies: Copies, events: readonly ErasedEvent[]): Promise<void> {
  if (events.length === 0) return
  const { log, mirrors } = copies
  const byPartition = Map.groupBy(events, event => event.partition)
  for (const event of events) {
    if (event.epoch !== mirrors.epoch) continue
    const gen = randomBytes(6).toString('base64url')
    await mirrors.forgetEvent(event.partition, event, gen, event.head)
  }
  const [only] = byPartition.size === 1 ? byPartition.keys() : []
  const pattern = `{*.${only ?? '*'}}:*`
  for (const server of log.servers) {
    let at = '0'
    do {
      const [next, keys] = await log.call(() => server.scan(at, 'MATCH', pattern, 'COUNT', scanCount))
      for (const stream of keys.flatMap(streamOf)) {
        const near = byPartition.get(stream.partition) ?? []
        if (await holdsOne(copies, stream, near)) await log.call(redis => redis.unlink(stream.key))
      }
      at = next
    } while (at !== '0')
  }
}

function streamOf(key: string): readonly Stream[] {
  // A generation has no colon, a channel may.
  const [, epoch = '', partition, history, channel] =
    /^\{([^{}]+)\.(\d+)\}:(?:log|(h):[^:]*:(.*))$/s.exec(key) ?? []
  if (partition === undefined) return []
  return [{ key, epoch, partition: Number(partition), channel: history && channel }]
}

async function holdsOne(
  { log, mirrors }: Copies,
  { key, epoch, channel }: Stream,
  events: readonly ErasedEvent[],
): Promise<boolean> {
  if (epoch === mirrors.epoch) {
    // A late range could write to the histories that are left here, so they go whatever they hold by now; the log has
    // begun anew.
    return channel !== undefined && events.some(event => event.channel === channel)
  }
  // Another ledger may be at work on this Redis: of other epochs, only what has the very event goes.
  for (const { eventId, channel: its, position, offset } of events) {
    if (channel !== undefined && channel !== its) continue
    const place = `${channel === undefined ? position : offset}-0`
    const entries = await log.call(redis => redis.xrange(key, place, place))
    if (entries.some(([, fields]) => fields.some(field => field.includes(eventId)))) return true
  }
  return false
}
