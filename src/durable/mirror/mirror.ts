import { setTimeout as delay } from 'node:timers/promises'
import { HoldfastError } from '../../domain/index.ts'
import type { Logger } from '../../platform/index.ts'
import type { Entry } from './entry.ts'
import type { PartitionFill } from './fill.ts'
import type { PartitionMirrors } from './partition-mirror.ts'
import { contiguousRanges } from './ranges.ts'
import type { Range } from './scripts.ts'

/** Another node's earlier commit is usually on its way: its mirror call is waited for once, this long. */
const earlierCommitMs = 5
/** Waiting entries of one partition; above either the queue is dropped and the partition is filled from the ledger. */
const maxWaiting = 5_000
const maxWaitingBytes = 8 * 1_048_576

interface Lane {
  waiting: Entry[]
  bytes: number
  busy: boolean
}

/**
 * Mirrors what this node has committed, at once: one call per partition in flight, and what has collected
 * meanwhile goes with the next. It never delays an append and never fails one: what can't be mirrored now, the
 * sweeper brings from the ledger.
 */
export class Mirror {
  readonly #mirrors: PartitionMirrors
  readonly #fill: PartitionFill
  readonly #logger: Logger
  readonly #lanes = new Map<number, Lane>()
  readonly #unhealed = new Set<number>()
  #idle: (() => void)[] = []
  #busy = 0

  constructor(mirrors: PartitionMirrors, fill: PartitionFill, logger: Logger) {
    this.#mirrors = mirrors
    this.#fill = fill
    this.#logger = logger
  }

  /** Partitions whose mirror lacks something that this node has committed. */
  get unhealed(): ReadonlySet<number> {
    return this.#unhealed
  }

  healed(partition: number): void {
    this.#unhealed.delete(partition)
  }

  /** Entries in ascending order of their positions within each partition. */
  add(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const lane = this.#lane(entry.partition)
      if (lane.waiting.length >= maxWaiting || lane.bytes >= maxWaitingBytes) {
        lane.waiting = []
        lane.bytes = 0
        this.#unhealed.add(entry.partition)
      }
      lane.waiting.push(entry)
      lane.bytes += entry.line.length
    }
    for (const entry of entries) {
      const lane = this.#lane(entry.partition)
      if (!lane.busy) void this.#run(entry.partition, lane)
    }
  }

  /** Resolves when nothing waits and no call is in flight. */
  async drained(): Promise<void> {
    if (this.#busy > 0) await new Promise<void>(resolve => this.#idle.push(resolve))
  }

  #lane(partition: number): Lane {
    let lane = this.#lanes.get(partition)
    if (!lane) {
      lane = { waiting: [], bytes: 0, busy: false }
      this.#lanes.set(partition, lane)
    }
    return lane
  }

  async #run(partition: number, lane: Lane): Promise<void> {
    lane.busy = true
    this.#busy++
    while (lane.waiting.length > 0) {
      const entries = lane.waiting
      lane.waiting = []
      lane.bytes = 0
      try {
        await this.#mirror(partition, contiguousRanges(entries))
        this.#unhealed.delete(partition)
      } catch (error) {
        if (!this.#unhealed.has(partition)) {
          const reason = error instanceof HoldfastError ? error.message : error
          this.#logger.debug({ partition, err: reason }, 'could not mirror; the sweeper will')
        }
        this.#unhealed.add(partition)
      }
    }
    lane.busy = false
    if (--this.#busy === 0) {
      for (const resolve of this.#idle) resolve()
      this.#idle = []
    }
  }

  async #mirror(partition: number, ranges: readonly Range[]): Promise<void> {
    let refused = await this.#apply(partition, ranges)
    if (refused.length === 0) return
    await delay(earlierCommitMs)
    refused = await this.#apply(partition, refused)
    if (refused.length === 0) return
    await this.#fill.run(partition)
    // A fill that was already running may have looked at the ledger before this commit.
    refused = await this.#apply(partition, refused)
    if (refused.length > 0)
      throw new HoldfastError('DEPENDENCY_REJECTED', 'the mirror still lacks earlier positions')
  }

  /** Returns the ranges that were not taken. */
  async #apply(partition: number, ranges: readonly Range[]): Promise<Range[]> {
    const results = await Promise.all(ranges.map(range => this.#mirrors.apply(partition, range, 'lines')))
    return ranges.filter((_, i) => results[i]?.code !== 'applied')
  }
}
