import { setTimeout as delay } from 'node:timers/promises'
import { HoldfastError } from '../../domain/index.ts'
import type { Logger } from '../../platform/index.ts'
import type { Entry } from './entry.ts'
import type { PartitionFill } from './fill.ts'
import { MirrorMeter } from './mirror-meter.ts'
import { endAll, MirrorSpans } from './mirror-spans.ts'
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
  readonly spans: MirrorSpans
  bytes: number
  /** When the oldest of them was committed, by `performance.now()`. */
  since: number
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
  readonly #meter: MirrorMeter
  readonly #lanes = new Map<number, Lane>()
  readonly #unhealed = new Set<number>()
  #idle: (() => void)[] = []
  #busy = 0
  /** Those of the epoch in which entries are taken: names must not change under a range. */
  #present: PartitionMirrors

  constructor(mirrors: PartitionMirrors, fill: PartitionFill, logger: Logger, meter = new MirrorMeter()) {
    this.#meter = meter
    this.#mirrors = mirrors
    this.#present = mirrors.at(mirrors.epoch)
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
    const now = performance.now()
    for (const entry of entries) {
      const lane = this.#lane(entry.partition)
      if (lane.waiting.length >= maxWaiting || lane.bytes >= maxWaitingBytes) {
        lane.waiting = []
        lane.bytes = 0
        lane.spans.drop('full')
        this.#unhealed.add(entry.partition)
      }
      if (lane.waiting.length === 0) lane.since = now
      lane.waiting.push(entry.trace === undefined ? entry : lane.spans.begin(entry))
      lane.bytes += entry.line.length
    }
    for (const entry of entries) {
      const lane = this.#lane(entry.partition)
      if (!lane.busy) void this.#run(lane)
    }
  }

  /** Drops what waits: the ledger has another epoch, where its positions mean nothing. */
  reset(): void {
    for (const lane of this.#lanes.values()) {
      lane.waiting = []
      lane.bytes = 0
      lane.spans.drop('EPOCH_CHANGED')
    }
    this.#unhealed.clear()
    this.#present = this.#mirrors.at(this.#mirrors.epoch)
  }

  /** Resolves when nothing waits and no call is in flight. */
  async drained(): Promise<void> {
    if (this.#busy > 0) await new Promise<void>(resolve => this.#idle.push(resolve))
  }

  #lane(partition: number): Lane {
    let lane = this.#lanes.get(partition)
    if (!lane) {
      lane = {
        partition,
        waiting: [],
        spans: new MirrorSpans(),
        bytes: 0,
        since: 0,
        busy: false,
        told: { epoch: '', last: 0 },
      }
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
      const mirrors = this.#present
      const { since } = lane
      const spans = lane.spans.take()
      lane.waiting = []
      lane.bytes = 0
      try {
        const work = () => this.#mirror(lane, entries, mirrors)
        await (spans.length === 0 ? work() : this.#fill.traces.during(entries, work))
        this.#meter.latency.record((performance.now() - since) / 1_000)
        endAll(spans)
        if (mirrors === this.#present) this.#unhealed.delete(partition)
      } catch (error) {
        endAll(spans, error)
        if (mirrors !== this.#present) continue
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
  async #mirror(lane: Lane, entries: readonly Entry[], mirrors: PartitionMirrors): Promise<void> {
    for (const range of contiguousRanges(entries)) {
      if (this.#isThere(lane, range, mirrors)) continue
      const code = await this.#apply(lane, range, mirrors)
      if (code === 'applied') continue
      if (code === 'refused') {
        await delay(earlierCommitMs)
        if ((await this.#apply(lane, range, mirrors)) === 'applied') continue
      }
      // The first fill may be one that was running already, and has looked at the ledger before this commit.
      if (await this.#fillAndApply(lane, range, mirrors)) continue
      if (await this.#fillAndApply(lane, range, mirrors)) continue
      throw new HoldfastError('DEPENDENCY_REJECTED', 'the mirror still lacks earlier positions')
    }
  }

  /** What the fill has brought is not sent once more: after a wipe that would be everything. */
  async #fillAndApply(lane: Lane, range: Range, mirrors: PartitionMirrors): Promise<boolean> {
    // A fill is of the present epoch, and says nothing about a past one.
    if (mirrors !== this.#present) return false
    const last = await this.#fill.run(lane.partition)
    if (mirrors !== this.#present) return false
    if (last !== undefined) lane.told = { epoch: mirrors.epoch, last }
    return this.#isThere(lane, range, mirrors) || (await this.#apply(lane, range, mirrors)) === 'applied'
  }

  async #apply(lane: Lane, range: Range, mirrors: PartitionMirrors): Promise<Applied['code']> {
    const { code, last } = await mirrors.apply(lane.partition, range, 'lines')
    lane.told = { epoch: mirrors.epoch, last }
    return code
  }

  /** Another epoch has another mirror, and its positions may be lower. */
  #isThere({ told }: Lane, range: Range, { epoch }: PartitionMirrors): boolean {
    return told.epoch === epoch && range.to <= told.last
  }
}
