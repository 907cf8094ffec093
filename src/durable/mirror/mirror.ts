import { setTimeout as delay } from 'node:timers/promises'
import { HoldfastError } from '../../domain/index.ts'
import type { Logger } from '../../platform/index.ts'
import type { Entry } from './entry.ts'
import type { PartitionFill } from './fill.ts'
import type { PartitionMirrors } from './partition-mirror.ts'
import { contiguousRanges } from './ranges.ts'
import type { Applied, Range } from './scripts.ts'

/** Another node's earlier commit is usually on its way: its mirror call is waited for once, this long. */
const earlierCommitMs = 5
/** Waiting entries of one partition; above either the queue is dropped and the partition is filled from the ledger. */
const maxWaiting = 5_000
const maxWaitingBytes = 8 * 1_048_576

interface Lane {
  readonly partition: number
  waiting: Entry[]
  bytes: number
  busy: boolean
  /** The mirror's last position as it was told to this node; what lies at or below it is not sent. */
  told: { readonly epoch: string; readonly last: number }
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
      if (!lane.busy) void this.#run(lane)
    }
  }

  /** Resolves when nothing waits and no call is in flight. */
  async drained(): Promise<void> {
    if (this.#busy > 0) await new Promise<void>(resolve => this.#idle.push(resolve))
  }

  #lane(partition: number): Lane {
    let lane = this.#lanes.get(partition)
    if (!lane) {
      lane = { partition, waiting: [], bytes: 0, busy: false, told: { epoch: '', last: 0 } }
      this.#lanes.set(partition, lane)
    }
    return lane
  }

  async #run(lane: Lane): Promise<void> {
    const { partition } = lane
    lane.busy = true
    this.#busy++
    while (lane.waiting.length > 0) {
      const entries = lane.waiting
      lane.waiting = []
      lane.bytes = 0
      try {
        await this.#mirror(lane, entries)
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

  /** One range after the other: behind a refused one all are refused, and would have been sent in vain. */
  async #mirror(lane: Lane, entries: readonly Entry[]): Promise<void> {
    for (const range of contiguousRanges(entries)) {
      if (this.#isThere(lane, range)) continue
      const code = await this.#apply(lane, range)
      if (code === 'applied') continue
      if (code === 'refused') {
        await delay(earlierCommitMs)
        if ((await this.#apply(lane, range)) === 'applied') continue
      }
      // The first fill may be one that was running already, and has looked at the ledger before this commit.
      if (await this.#fillAndApply(lane, range)) continue
      if (await this.#fillAndApply(lane, range)) continue
      throw new HoldfastError('DEPENDENCY_REJECTED', 'the mirror still lacks earlier positions')
    }
  }

  /** What the fill has brought is not sent once more: after a wipe that would be everything. */
  async #fillAndApply(lane: Lane, range: Range): Promise<boolean> {
    const { epoch } = this.#mirrors
    const last = await this.#fill.run(lane.partition)
    if (last !== undefined) lane.told = { epoch, last }
    return this.#isThere(lane, range) || (await this.#apply(lane, range)) === 'applied'
  }

  async #apply(lane: Lane, range: Range): Promise<Applied['code']> {
    const { epoch } = this.#mirrors
    const { code, last } = await this.#mirrors.apply(lane.partition, range, 'lines')
    lane.told = { epoch, last }
    return code
  }

  /** Another epoch has another mirror, and its positions may be lower. */
  #isThere({ told }: Lane, range: Range): boolean {
    return told.epoch === this.#mirrors.epoch && range.to <= told.last
  }
}
