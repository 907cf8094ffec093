import type { RedisClient } from '../../platform/index.ts'
import { type PartitionKeys, partitionKeys } from './keys.ts'
import type { LogRedis } from './log-redis.ts'
import {
  type Announce,
  type Applied,
  type HistorySlice,
  type Keep,
  type LogSlice,
  MirrorScripts,
  type Range,
} from './scripts.ts'

export interface MirrorOptions {
  /** Events that the log keeps per partition. */
  readonly logSize: number
  /** Events that a channel's history keeps. */
  readonly historySize: number
  /** How long a history lives after its channel's last event. */
  readonly historyTtlMs: number
  /**
   * Histories are written only while the log's Redis, or each master of a Cluster, uses less memory than this in all (and less than four fifths
   * of its `maxmemory`, where it has one); above it replay is cold.
   */
  readonly historyBytes: number
}

/** 64 partitions of 2,000 events of 300 bytes are 40 MB, and seeding them after a wipe takes seconds. */
export const mirrorDefaults: MirrorOptions = {
  logSize: 2_000,
  historySize: 10_000,
  historyTtlMs: 600_000,
  historyBytes: 512 * 1_048_576,
}

export interface MirrorState {
  readonly gen: string
  readonly last: number
}

/** Partitions' mirrors as this node reaches them: the scripts, with names, options and deadlines filled in. */
export class PartitionMirrors {
  readonly #redis: LogRedis
  readonly #scripts: MirrorScripts
  readonly #epoch: () => string
  readonly #options: MirrorOptions
  readonly #budget: { histories: boolean }

  constructor(
    redis: LogRedis,
    epoch: () => string,
    options: MirrorOptions,
    budget: { histories: boolean } = { histories: true },
  ) {
    this.#budget = budget
    this.#redis = redis
    this.#scripts = new MirrorScripts(redis.sharded ? 'sharded' : 'plain')
    this.#epoch = epoch
    this.#options = options
  }

  get reachable(): boolean {
    return this.#redis.reachable
  }

  /** The ledger's epoch, which the names of all keys begin with. */
  get epoch(): string {
    return this.#epoch()
  }

  /** The mirrors of one epoch, for work of several steps: whose names must not change in between. */
  at(epoch: string): PartitionMirrors {
    return new PartitionMirrors(this.#redis, () => epoch, this.#options, this.#budget)
  }

  /** Whether the memory budget allows histories at this moment. */
  get historiesAllowed(): boolean {
    return this.#budget.histories
  }

  set historiesAllowed(allowed: boolean) {
    this.#budget.histories = allowed
  }

  get logSize(): number {
    return this.#options.logSize
  }

  apply(partition: number, range: Range, announce: Announce): Promise<Applied> {
    const keep: Keep = {
      ...this.#options,
      historySize: this.historiesAllowed ? this.#options.historySize : 0,
    }
    return this.#redis.call(redis =>
      this.#scripts.applyRange(redis, this.keys(partition), range, keep, announce),
    )
  }

  seed(partition: number, expected: string, gen: string, floor: number): Promise<boolean> {
    return this.#redis.call(redis =>
      this.#scripts.seedPartition(redis, this.keys(partition), expected, gen, floor),
    )
  }

  /** Removes an erased event's copies; `head` is the partition's in the ledger. */
  forgetEvent(
    partition: number,
    event: { channel: string; position: number },
    gen: string,
    head: number,
  ): Promise<void> {
    const floor = Math.max(event.position + 1, head - this.logSize + 1)
    return this.#redis.call(redis =>
      this.#scripts.forgetEvent(redis, this.keys(partition), event, gen, floor),
    )
  }

  readHistory(
    partition: number,
    request: { channel: string; since: number; limit: number; reverse?: boolean },
  ): Promise<HistorySlice> {
    return this.#redis.call(redis => this.#scripts.readHistory(redis, this.keys(partition), request))
  }

  readLog(partition: number, request: { from: number; limit: number; maxBytes: number }): Promise<LogSlice> {
    return this.#redis.call(redis => this.#scripts.readLog(redis, this.keys(partition), request))
  }

  /** Undefined for a partition that is not seeded. */
  async state(partition: number): Promise<MirrorState | undefined> {
    const [state] = await this.#redis.call(redis => readStates(redis, [this.keys(partition)]))
    return state
  }

  /** The states of many partitions in one round trip. */
  states(partitions: readonly number[]): Promise<(MirrorState | undefined)[]> {
    return this.#redis.call(redis =>
      readStates(
        redis,
        partitions.map(each => this.keys(each)),
      ),
    )
  }

  /** Whether this node may fill now; the lease ends by itself when the node dies. */
  async lease(partition: number, node: string, ms: number): Promise<boolean> {
    return this.#redis.call(async redis => {
      const { lease } = this.keys(partition)
      return (await redis.set(lease, node, 'PX', ms, 'NX')) === 'OK' || (await redis.get(lease)) === node
    })
  }

  /** Prolongs the node's lease; another's is left as it is. */
  async renew(partition: number, node: string, ms: number): Promise<void> {
    await this.#redis.call(redis => this.#scripts.keepLease(redis, this.keys(partition), node, ms))
  }

  /** Ends the node's lease; another's is left as it is. */
  release(partition: number, node: string): Promise<void> {
    return this.renew(partition, node, 0)
  }

  /** Looks at the memory that Redis uses, each node of a Cluster for itself, and decides whether histories are written. */
  async checkBudget(): Promise<void> {
    const infos = await this.#redis.call(() =>
      Promise.all(this.#redis.servers.map(each => each.info('memory'))),
    )
    this.historiesAllowed = infos.every(info => {
      const value = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0)
      const limit = value('maxmemory')
      const { historyBytes } = this.#options
      return value('used_memory') < (limit > 0 ? Math.min(historyBytes, limit * 0.8) : historyBytes)
    })
  }

  keys(partition: number): PartitionKeys {
    return partitionKeys(this.#epoch(), partition)
  }
}

function readStates(redis: RedisClient, all: readonly PartitionKeys[]): Promise<(MirrorState | undefined)[]> {
  return Promise.all(
    all.map(async ({ meta }) => {
      const [gen, last] = await redis.hmget(meta, 'gen', 'last')
      return gen == null || last == null ? undefined : { gen, last: Number(last) }
    }),
  )
}
