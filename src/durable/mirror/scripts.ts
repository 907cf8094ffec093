import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { RedisClient } from '../../platform/index.ts'
import type { Entry } from './entry.ts'
import type { PartitionKeys } from './keys.ts'
import { readTraces, tracesOf } from './script-traces.ts'

/** What a call tells the nodes: each event on its channel, only that the partition has moved, or nothing. */
export type Announce = 'lines' | 'notice' | 'none'

/** All events that survive in [from, to] of a partition. */
export interface Range {
  readonly from: number
  readonly to: number
  readonly entries: readonly Entry[]
}

export interface Keep {
  readonly logSize: number
  /** 0: histories are not written. */
  readonly historySize: number
  readonly historyTtlMs: number
}

export interface Applied {
  readonly code: 'applied' | 'refused' | 'unseeded' | 'lost'
  /** The mirror's last position. */
  readonly last: number
  /** Empty where there is none. */
  readonly gen: string
}

export interface HistorySlice {
  /** The offset of the history's last entry; 0 where there is none. */
  readonly top: number
  /** How many lines `text` has; 0 where Redis can't say yes. */
  readonly count: number
  /** Push lines joined by newlines. */
  readonly text: Buffer
}

/** What the log had at one moment. */
export interface LogSlice {
  /** Empty where the partition has no mirror. */
  readonly gen: string
  /** The first position that the log covers. */
  readonly floor: number
  readonly last: number
  /** Dense, from the asked position on; none where the log can't say. */
  readonly entries: readonly Omit<Entry, 'partition'>[]
}

/** A partition whose events stop coming is forgotten after this and seeded again when it is needed. */
const keyTtlMs = 24 * 3_600_000
/** A slice never holds the event loops of Redis and the node for longer than this takes to copy. */
const sliceBytes = 512 * 1_024

interface Script {
  readonly lua: string
  readonly sha: string
}

/** The mirror's scripts as functions: the only place that knows their arguments and codes. */
export class MirrorScripts {
  readonly #apply: Script
  readonly #seed = load('seed-partition-2')
  readonly #read = load('read-history-1')
  readonly #forget: Script
  readonly #readLog = load('read-log-2')
  readonly #keepLease = load('keep-lease-1')

  /** @param channels the kind of bus channels that the mirror announces on; `sharded` on a Redis Cluster */
  constructor(channels: 'plain' | 'sharded' = 'plain') {
    this.#apply = load('apply-range-2', channels)
    this.#forget = load('forget-event-2', channels)
  }

  async applyRange(
    redis: RedisClient,
    keys: PartitionKeys,
    { from, to, entries }: Range,
    keep: Keep,
    announce: Announce,
  ): Promise<Applied> {
    const args: (string | number)[] = [
      from,
      to,
      keep.logSize,
      keep.historySize,
      keep.historyTtlMs,
      keyTtlMs,
      announce,
      tracesOf(entries),
    ]
    for (const { position, channel, offset, line } of entries) args.push(position, channel, offset, line)
    const [code, last, gen] = (await run(redis, this.#apply, [keys.meta, keys.log], args)) as [
      Buffer,
      number,
      Buffer,
    ]
    return { code: code.toString() as Applied['code'], last, gen: gen.toString() }
  }

  /** Whether this call was the one that seeded. */
  async seedPartition(
    redis: RedisClient,
    keys: PartitionKeys,
    expected: string,
    gen: string,
    floor: number,
  ): Promise<boolean> {
    const [code] = (await run(
      redis,
      this.#seed,
      [keys.meta, keys.log],
      [expected, gen, floor, keyTtlMs],
    )) as [Buffer]
    return code.toString() === 'seeded'
  }

  /** Removes what the log and the channel's history say of an event; the mirror may begin anew at `floor`, above it. */
  async forgetEvent(
    redis: RedisClient,
    keys: PartitionKeys,
    event: { channel: string; position: number },
    gen: string,
    floor: number,
  ): Promise<void> {
    const args = [event.channel, event.position, gen, floor, keyTtlMs]
    await run(redis, this.#forget, [keys.meta, keys.log], args)
  }

  /** Whether the lease was the node's; `ms` 0 ends it. */
  async keepLease(redis: RedisClient, keys: PartitionKeys, node: string, ms: number): Promise<boolean> {
    return (await run(redis, this.#keepLease, [keys.lease], [node, ms])) === 1
  }

  async readHistory(
    redis: RedisClient,
    keys: PartitionKeys,
    request: { channel: string; since: number; limit: number; reverse?: boolean },
  ): Promise<HistorySlice> {
    const { channel, since, limit, reverse } = request
    const args = [channel, since, reverse ? 'down' : 'up', limit, sliceBytes]
    const reply = (await run(redis, this.#read, [keys.meta], args)) as [Buffer, number, number, Buffer]
    return { top: reply[1], count: reply[2], text: reply[3] }
  }

  async readLog(
    redis: RedisClient,
    keys: PartitionKeys,
    { from, limit, maxBytes }: { from: number; limit: number; maxBytes: number },
  ): Promise<LogSlice> {
    const reply = await run(redis, this.#readLog, [keys.meta, keys.log], [from, limit, maxBytes])
    const [gen, floor, last, traced, ...fields] = reply as [Buffer, number, number, Buffer, ...Buffer[]]
    const traces = readTraces(traced)
    const entries: Omit<Entry, 'partition'>[] = []
    for (let i = 0; i < fields.length; i += 4) {
      const [position, channel, offset, line] = fields.slice(i, i + 4).map(String) as [
        string,
        string,
        string,
        string,
      ]
      entries.push({
        position: Number(position),
        channel,
        offset: Number(offset),
        line,
        trace: traces?.get(position),
      })
    }
    return { gen: gen.toString(), floor, last, entries }
  }
}

/** Redis forgets scripts when it restarts; then the whole text is sent, once. */
async function run(
  redis: RedisClient,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
) {
  try {
    return await redis.callBuffer('EVALSHA', script.sha, keys.length, ...keys, ...args)
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
    return redis.callBuffer('EVAL', script.lua, keys.length, ...keys, ...args)
  }
}

function load(name: string, channels: 'plain' | 'sharded' = 'plain'): Script {
  const text = readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8')
  const lua = channels === 'sharded' ? text.replaceAll("'PUBLISH'", "'SPUBLISH'") : text
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}
