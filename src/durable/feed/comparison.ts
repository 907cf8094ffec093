import type { Logger } from '../../platform/index.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Feed } from './feed.ts'
import type { Bus, Feeds } from './feeds.ts'

/** How often the ledger is asked where announcements can't be relied on; this is also delivery without Redis. */
const tailMs = 200
/** How often everything else is looked after. */
const tidyMs = 1_000
/** A channel of which nothing was heard for this long is compared with its head. */
const quietMs = 10_000
/** Of all quiet channels this many at once, so that a node with many of them asks evenly. */
const maxQuiet = 2_000

/** What this node knows about announcements at this moment. */
export interface Announcements {
  /** Whether the log's Redis answers. */
  reachable(): boolean
  /** Whether a partition's mirror has to be healed first. */
  behind(partition: number): boolean
}

/**
 * Compares the positions of subscribed channels with their heads: at once when the bus is back, every 200 ms where
 * announcements fail, now and then for quiet channels. A tail asks first which partitions have moved, so an idle
 * ledger costs one small statement per tick.
 */
export class Comparison {
  readonly #feeds: Feeds
  readonly #ledger: Ledger
  readonly #bus: Bus | undefined
  readonly #announcements: Announcements
  readonly #logger: Logger
  /** Heads of tailed partitions up to which all their channels have been compared. */
  readonly #tailed = new Map<number, number>()
  readonly #tail: NodeJS.Timeout
  readonly #tidy: NodeJS.Timeout
  readonly #stopListening: () => void
  #tailing = false
  #assuring = 0

  constructor(
    feeds: Feeds,
    ledger: Ledger,
    bus: Bus | undefined,
    announcements: Announcements,
    logger: Logger,
  ) {
    this.#feeds = feeds
    this.#ledger = ledger
    this.#bus = bus
    this.#announcements = announcements
    this.#logger = logger
    this.#tail = setInterval(() => void this.#tailTick(), tailMs)
    this.#tidy = setInterval(() => this.#tidyTick(), tidyMs)
    this.#tail.unref()
    this.#tidy.unref()
    this.#stopListening = bus?.onReconnect(() => void this.#assure([...feeds])) ?? (() => undefined)
  }

  close(): void {
    clearInterval(this.#tail)
    clearInterval(this.#tidy)
    this.#stopListening()
  }

  /** One at a time: a ledger that is slow is not asked again meanwhile. */
  async #tailTick(): Promise<void> {
    if (this.#tailing) return
    const wanted = this.#unreliable()
    for (const partition of this.#tailed.keys()) if (!wanted.has(partition)) this.#tailed.delete(partition)
    if (wanted.size === 0) return
    this.#tailing = true
    try {
      const heads = await this.#ledger.partitionHeads([...wanted])
      const moved = [...wanted].filter(
        partition => (heads.get(partition) ?? 0) !== this.#tailed.get(partition),
      )
      await this.#feeds.compare(moved.flatMap(partition => [...this.#feeds.inPartition(partition)]))
      for (const partition of moved) this.#tailed.set(partition, heads.get(partition) ?? 0)
    } catch (error) {
      this.#logger.debug({ err: error }, 'the ledger can’t be tailed now')
    } finally {
      this.#tailing = false
    }
  }

  /** Partitions with subscribed channels whose announcements may be missed. */
  #unreliable(): Set<number> {
    const all = !this.#announcements.reachable()
    const partitions = new Set<number>()
    for (const partition of this.#feeds.partitions()) {
      if (all || this.#announcements.behind(partition)) partitions.add(partition)
    }
    if (!all) for (const feed of this.#feeds) if (!this.#feeds.assured(feed)) partitions.add(feed.partition)
    return partitions
  }

  #tidyTick(): void {
    const now = performance.now()
    this.#feeds.closeIdle(now)
    const quiet: Feed[] = []
    for (const feed of this.#feeds) {
      if (now - feed.provenAt < quietMs) continue
      feed.dropClosed()
      quiet.push(feed)
    }
    this.#feeds.compare(quiet.slice(0, maxQuiet)).catch(() => undefined)
    // After a trouble there may be very many: all of them together, one round at a time.
    if (this.#bus?.ready && this.#assuring === 0)
      void this.#assure([...this.#feeds].filter(feed => !this.#feeds.assured(feed)))
  }

  async #assure(feeds: readonly Feed[]): Promise<void> {
    this.#assuring++
    await this.#feeds.assure(feeds).catch(() => undefined)
    this.#assuring--
  }
}
