import type { Logger } from '../../platform/index.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Feed } from './feed.ts'
import type { Bus, Feeds } from './feeds.ts'
import { Tail } from './tail.ts'

/** How often it is looked whether announcements can be relied on. */
const lookMs = 200
/** How often the ledger is asked where they can't: this is delivery without Redis, promised within 300 ms. */
const tailMs = 100
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
  /** The position up to which a partition's mirror was last seen to have announced; undefined where it never was. */
  announced(partition: number): number | undefined
}

/**
 * Compares the positions of subscribed channels with their heads: at once when the bus is back, all the time
 * where announcements fail, now and then for quiet channels.
 */
export class Comparison {
  readonly #feeds: Feeds
  readonly #bus: Bus | undefined
  readonly #announcements: Announcements
  readonly #logger: Logger
  readonly #tail: Tail
  readonly #tidy: NodeJS.Timeout
  readonly #stopListening: () => void
  #next: NodeJS.Timeout | undefined
  #closed = false
  #assuring = 0

  constructor(
    feeds: Feeds,
    ledger: Ledger,
    bus: Bus | undefined,
    announcements: Announcements,
    logger: Logger,
  ) {
    this.#feeds = feeds
    this.#bus = bus
    this.#announcements = announcements
    this.#logger = logger
    this.#tail = new Tail(feeds, ledger, partition => announcements.announced(partition))
    this.#tidy = setInterval(() => this.#tidyTick(), tidyMs)
    this.#tidy.unref()
    this.#tailIn(lookMs)
    this.#stopListening = bus?.onReconnect(() => void this.#assure([...feeds])) ?? (() => undefined)
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#next)
    clearInterval(this.#tidy)
    this.#stopListening()
  }

  #tailIn(ms: number): void {
    if (this.#closed) return
    this.#next = setTimeout(() => void this.#tailTurn(), Math.max(0, ms))
    this.#next.unref()
  }

  /** One at a time: a ledger that is slow is not asked again meanwhile. */
  async #tailTurn(): Promise<void> {
    const began = performance.now()
    const wanted = this.#unreliable()
    try {
      await this.#tail.turn(wanted)
    } catch (error) {
      this.#logger.debug({ err: error }, 'the ledger can’t be tailed now')
    }
    this.#tailIn((wanted.size > 0 ? tailMs : lookMs) - (performance.now() - began))
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
