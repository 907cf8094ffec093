import type { RedisClient } from '../../platform/index.ts'
import type { Entry } from '../mirror/entry.ts'
import { partitionKeys } from '../mirror/keys.ts'
import type { LogRedis } from '../mirror/log-redis.ts'

/** Entries that were handed to this consumer and stay pending until they are acknowledged. */
export interface Handed {
  readonly entries: readonly Entry[]
  /** Pending positions whose entries have been trimmed: the ledger still has them. */
  readonly gone: readonly number[]
}

/** `no_group`: Redis does not know the group in this log, or has no such log. */
export type Reading = ({ readonly kind: 'read' } & Handed) | { readonly kind: 'no_group' }

export interface Consumer {
  readonly name: string
  readonly pending: number
}

/** A partition of the log in one epoch: where a position means something. */
export interface LogPlace {
  readonly epoch: string
  readonly partition: number
}

type Reply = [id: string, fields: string[] | null]

/**
 * A competing group in Redis, as one of its consumers. Redis only hands out: it says who works on what, and it may
 * forget that, skip what was trimmed before anybody read it, and hand out twice. Nothing here waits for new entries, and
 * every command touches one partition's log, so the same code runs over a cluster.
 */
export class GroupStream {
  readonly #redis: LogRedis
  readonly #group: string
  readonly #consumer: string

  constructor(redis: LogRedis, group: string, consumer: string) {
    this.#redis = redis
    this.#group = group
    this.#consumer = consumer
  }

  get reachable(): boolean {
    return this.#redis.reachable
  }

  /** What nobody has been handed yet. An answer that is lost has moved entries into one's own pending list. */
  readNew(place: LogPlace, count: number): Promise<Reading> {
    return this.#read(place, '>', count)
  }

  /** What this consumer was handed before and has not acknowledged, above a position. */
  readPending(place: LogPlace, after: number, count: number): Promise<Reading> {
    return this.#read(place, `${after}-0`, count)
  }

  /**
   * Takes over what any consumer, this one included, has been handed and not acknowledged for so long. `next` is where
   * to go on; 0: everything has been looked at.
   */
  async claimIdle(
    place: LogPlace,
    idleMs: number,
    from: number,
    count: number,
  ): Promise<Handed & { readonly next: number }> {
    const reply = await this.#onLog(place, (redis, log) =>
      redis.xautoclaim(log, this.#group, this.#consumer, idleMs, `${from}-0`, 'COUNT', count),
    )
    if (reply === undefined) return { entries: [], gone: [], next: 0 }
    const [next, replies, deleted] = reply as [string, Reply[], string[] | undefined]
    const handed = handedOf(place.partition, replies)
    return { ...handed, gone: [...handed.gone, ...(deleted ?? []).map(positionOf)], next: positionOf(next) }
  }

  /** Takes over what another consumer, one that is gone, was handed; at most `count` of it. */
  async claimFrom(place: LogPlace, consumer: string, count: number): Promise<Handed> {
    const replies = await this.#onLog(place, async (redis, log) => {
      const pending = (await redis.xpending(log, this.#group, '-', '+', count, consumer)) as [string][]
      if (pending.length === 0) return []
      const ids = pending.map(([id]) => id)
      return (await redis.xclaim(log, this.#group, this.#consumer, 0, ...ids)) as Reply[]
    })
    return handedOf(place.partition, replies ?? [])
  }

  async acknowledge({ epoch, partition }: LogPlace, positions: readonly number[]): Promise<void> {
    if (positions.length === 0) return
    const { log } = partitionKeys(epoch, partition)
    await this.#redis.call(redis => redis.xack(log, this.#group, ...positions.map(each => `${each}-0`)))
  }

  /**
   * Makes the group where it is not there; it then hands out what lies above `floor`. No log is made for it: an empty
   * one without a lifetime would stay for ever.
   */
  async create(place: LogPlace, floor: number): Promise<'created' | 'there' | 'no_log'> {
    const { log } = partitionKeys(place.epoch, place.partition)
    return this.#redis.call(async redis => {
      try {
        await redis.xgroup('CREATE', log, this.#group, `${floor}-0`)
        return 'created'
      } catch (error) {
        if (says(error, 'BUSYGROUP')) return 'there'
        if (says(error, 'ERR') && (await redis.exists(log)) === 0) return 'no_log'
        throw error
      }
    })
  }

  /** The first position that the partition's log covers; undefined where there is no log. */
  async logFloor({ epoch, partition }: LogPlace): Promise<number | undefined> {
    const { meta } = partitionKeys(epoch, partition)
    const floor = await this.#redis.call(redis => redis.hget(meta, 'floor'))
    return floor === null ? undefined : Number(floor)
  }

  /** Everyone who was ever handed something from this log and has not been forgotten. */
  async consumers(place: LogPlace): Promise<readonly Consumer[]> {
    const rows = await this.#onLog(place, (redis, log) => redis.xinfo('CONSUMERS', log, this.#group))
    return ((rows ?? []) as unknown[][]).map(row => {
      const fields = new Map<unknown, unknown>()
      for (let i = 0; i + 1 < row.length; i += 2) fields.set(row[i], row[i + 1])
      return { name: String(fields.get('name')), pending: Number(fields.get('pending')) }
    })
  }

  /** Forgets a consumer. What is pending at it could no longer be claimed by anybody, so nothing may be. */
  async forget(place: LogPlace, consumer: string): Promise<void> {
    await this.#onLog(place, async (redis, log) => {
      const pending = await redis.xpending(log, this.#group, '-', '+', 1, consumer)
      if (pending.length === 0) await redis.xgroup('DELCONSUMER', log, this.#group, consumer)
    })
  }

  async #read(place: LogPlace, after: string, count: number): Promise<Reading> {
    const reply = await this.#onLog(place, async (redis, log) => ({
      streams: (await redis.xreadgroup(
        'GROUP',
        this.#group,
        this.#consumer,
        'COUNT',
        count,
        'STREAMS',
        log,
        after,
      )) as [string, Reply[]][] | null,
    }))
    if (reply === undefined) return { kind: 'no_group' }
    return { kind: 'read', ...handedOf(place.partition, reply.streams?.[0]?.[1] ?? []) }
  }

  /** Undefined where there is no such group or log. */
  #onLog<T>(
    { epoch, partition }: LogPlace,
    act: (redis: RedisClient, log: string) => Promise<T>,
  ): Promise<T | undefined> {
    const { log } = partitionKeys(epoch, partition)
    return this.#redis.call(async redis => {
      try {
        return await act(redis, log)
      } catch (error) {
        if (says(error, 'NOGROUP') || (says(error, 'ERR') && (await redis.exists(log)) === 0))
          return undefined
        throw error
      }
    })
  }
}

function handedOf(partition: number, replies: readonly Reply[]): Handed {
  const entries: Entry[] = []
  const gone: number[] = []
  for (const [id, fields] of replies) {
    const position = positionOf(id)
    if (fields === null) gone.push(position)
    else entries.push({ partition, position, ...placesOf(fields) })
  }
  return { entries, gone }
}

/** The fields as the mirror's script writes them: c channel, o offset, l line, and where it is traced, t trace. */
function placesOf(fields: readonly string[]): Pick<Entry, 'channel' | 'offset' | 'line' | 'trace'> {
  const [, channel = '', , offset = '', , line = '', , trace] = fields
  return { channel, offset: Number(offset), line, trace }
}

function positionOf(id: string): number {
  return Number.parseInt(id, 10)
}

/** Redis begins an error with its code. */
function says(error: unknown, code: string): boolean {
  return error instanceof Error && error.name === 'ReplyError' && error.message.startsWith(`${code} `)
}
