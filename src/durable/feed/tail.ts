import type { ChannelHead, Ledger, PartitionRange } from '../ledger/ledger.ts'
import type { Feed } from './feed.ts'
import type { Feeds } from './feeds.ts'
import { bringUp } from './shortfalls.ts'

/** Events that are looked through for their channels although fewer channels are subscribed: it costs next to nothing. */
const fewEvents = 64
/** How long of a turn comparisons of whole partitions may take, so that the news of others do not wait for them. */
const provingMs = 50

/**
 * Delivery where announcements can't be relied on: this node reads by itself what is new in the partitions of its
 * channels. The partitions' heads say which of them have moved. Of those it looks for the channels of the new events, or
 * where fewer channels are subscribed than there are new events, for the heads of these channels: whichever is less. Of
 * events only those of subscribed channels are read.
 */
export class Tail {
  readonly #feeds: Feeds
  readonly #ledger: Ledger
  /** Where a partition's announcements have been heard to before; undefined where none have been. */
  readonly #announced: (partition: number) => number | undefined
  /** Up to here what is new has been brought to the feeds. */
  readonly #reached = new Map<number, number>()
  /** Where something may have been missed below that: all channels have to be compared once. */
  readonly #unproven = new Set<number>()

  constructor(feeds: Feeds, ledger: Ledger, announced: (partition: number) => number | undefined) {
    this.#feeds = feeds
    this.#ledger = ledger
    this.#announced = announced
  }

  /** @throws HoldfastError DEPENDENCY_* ; the next turn then begins where this one did */
  async turn(partitions: ReadonlySet<number>): Promise<void> {
    for (const partition of [...this.#reached.keys(), ...this.#unproven])
      if (!partitions.has(partition)) this.#leave(partition)
    if (partitions.size === 0) return
    const heads = await this.#ledger.partitionHeads([...partitions])
    const ranges: PartitionRange[] = []
    const crowded: Feed[] = []
    // Which feeds there are is looked at after the heads were read: one that opens later reads a later head.
    for (const partition of partitions) {
      const through = heads.get(partition) ?? 0
      const after = this.#begin(partition, through)
      if (after >= through) continue
      const feeds = this.#feeds.inPartition(partition)
      if (through - after <= Math.max(fewEvents, feeds.size)) ranges.push({ partition, after, through })
      else crowded.push(...feeds)
    }
    await bringUp(this.#ledger, await this.#moved(ranges))
    await this.#feeds.compare(crowded)
    for (const partition of partitions) this.#reached.set(partition, heads.get(partition) ?? 0)
    await this.#prove()
  }

  /** A place that is only hoped to be right lets news through at once; the comparison of all channels follows. */
  #begin(partition: number, head: number): number {
    const reached = this.#reached.get(partition)
    if (reached !== undefined && reached <= head) return reached
    this.#unproven.add(partition)
    return Math.min(this.#announced(partition) ?? head, head)
  }

  async #moved(ranges: readonly PartitionRange[]): Promise<Map<Feed, ChannelHead>> {
    const moved = new Map<Feed, ChannelHead>()
    for (const [channel, head] of await this.#ledger.movedChannels(ranges)) {
      const feed = this.#feeds.get(channel)
      if (feed && !feed.ended && feed.position < head) moved.set(feed, { head, floor: 0 })
    }
    return moved
  }

  async #prove(): Promise<void> {
    const end = performance.now() + provingMs
    for (const partition of this.#unproven) {
      await this.#feeds.compare(this.#feeds.inPartition(partition))
      this.#unproven.delete(partition)
      if (performance.now() > end) return
    }
  }

  #leave(partition: number): void {
    this.#reached.delete(partition)
    this.#unproven.delete(partition)
  }
}
