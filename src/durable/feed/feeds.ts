import type { ForeignMessages, Logger, PubSub } from '../../platform/index.ts'
import type { ChannelHead, Ledger } from '../ledger/ledger.ts'
import { within } from '../mirror/deadline.ts'
import type { Entry } from '../mirror/entry.ts'
import { busChannel, partitionKeys } from '../mirror/keys.ts'
import { Feed } from './feed.ts'
import type { Heads } from './heads.ts'
import { readNotice } from './notice.ts'
import type { Pages } from './pages.ts'
import { parseRun } from './run.ts'
import { ageOf } from './run-age.ts'
import { offerAnnounced, tellFanOut } from './run-traces.ts'
import { bringUp } from './shortfalls.ts'

/** An opening waits this long for the bus, then goes on without: the ledger is asked often until it confirms. */
const confirmWaitMs = 300
/** A feed stays warm this long after its last session, for those who come back. */
const lingerMs = 5_000
/** Notices come in flocks after a wipe. */
const noticeDelayMs = 20

const none: ReadonlySet<Feed> = new Set()

export type Bus = Pick<PubSub, 'ready' | 'connection' | 'subscribe' | 'unsubscribe' | 'onReconnect'>

/** The durable channels with subscribers on this node. */
export class Feeds {
  readonly #ledger: Ledger
  readonly #bus: Bus | undefined
  readonly #heads: Heads
  readonly #pages: Pages
  readonly #logger: Logger
  readonly #foreign: ForeignMessages
  readonly #feeds = new Map<string, Feed>()
  readonly #openings = new Map<Feed, Promise<void>>()
  readonly #byPartition = new Map<number, Set<Feed>>()
  #doubted = new Set<Feed>()
  #doubting: NodeJS.Timeout | undefined
  readonly #notices = new Map<number, { heard(message: Buffer): void; timer: NodeJS.Timeout | undefined }>()

  constructor(parts: {
    ledger: Ledger
    bus: Bus | undefined
    heads: Heads
    pages: Pages
    logger: Logger
    foreign: ForeignMessages
  }) {
    this.#ledger = parts.ledger
    this.#bus = parts.bus
    this.#heads = parts.heads
    this.#pages = parts.pages
    this.#logger = parts.logger
    this.#foreign = parts.foreign
  }

  [Symbol.iterator](): IterableIterator<Feed> {
    return this.#feeds.values()
  }

  get(channel: string): Feed | undefined {
    return this.#feeds.get(channel)
  }

  partitions(): IterableIterator<number> {
    return this.#byPartition.keys()
  }

  inPartition(partition: number): ReadonlySet<Feed> {
    return this.#byPartition.get(partition) ?? none
  }

  /** The channel's feed, perhaps still opening; ask `opened` before its position is used. */
  acquire(channel: string): Feed {
    let feed = this.#feeds.get(channel)
    if (!feed || feed.ended) {
      const partition = this.#ledger.partitionOf(channel)
      if (feed) this.#forget(feed)
      const { epoch, clock } = this.#ledger
      feed = new Feed({ channel, partition, epoch }, this.#pages, run =>
        ageOf(run, clock.at(performance.now())),
      )
      this.#feeds.set(channel, feed)
      const others = this.#byPartition.get(partition)
      if (others) others.add(feed)
      else this.#byPartition.set(partition, new Set([feed]))
      const opening = this.#open(feed).finally(() => this.#openings.delete(feed as Feed))
      opening.catch(() => undefined)
      this.#openings.set(feed, opening)
    }
    return feed
  }

  /**
   * Resolves when the feed has a position; sessions that come at once share the opening.
   * @throws HoldfastError DEPENDENCY_* when neither the ledger nor Redis can tell a position now
   */
  opened(feed: Feed): Promise<void> {
    return this.#openings.get(feed) ?? Promise.resolve()
  }

  /** Commits of this node, before they are mirrored. */
  offerOwn(entries: readonly Entry[]): void {
    for (const { channel, offset, line, trace } of entries) {
      const feed = this.#feeds.get(channel)
      if (!feed) continue
      const before = feed.position
      feed.offerNext({ first: offset, count: 1, text: line })
      if (trace !== undefined) tellFanOut(feed, before, [{ offset, trace }])
    }
  }

  /** Whether all that is announced reaches the feed; where not, the ledger has to be asked often. */
  assured(feed: Feed): boolean {
    return this.#bus?.ready === true && feed.assuredOn === this.#bus.connection
  }

  /**
   * Asks the bus for the feeds' channels again, and compares the feeds: a confirmation proves nothing about what was
   * published before it.
   */
  async assure(feeds: readonly Feed[]): Promise<void> {
    const connections = await Promise.all(feeds.map(feed => this.#subscribe(feed)))
    await this.compare(feeds.filter((_, i) => connections[i] !== undefined))
    for (const [i, feed] of feeds.entries()) feed.assuredOn = connections[i]
  }

  /** The connection of the bus that has confirmed the feed's channels; undefined where it can't now. */
  async #subscribe(feed: Feed): Promise<number | undefined> {
    if (!this.#bus) return undefined
    const { connection } = this.#bus
    const { epoch, partition, channel } = feed
    const announced = busChannel(epoch, partition, channel)
    const take = (message: Buffer) => {
      if (feed.ended) return
      const run = parseRun(message)
      if (run) offerAnnounced(feed, run)
      else {
        this.#foreign.note('announcement', announced)
        this.#doubt(feed)
      }
    }
    try {
      // In one turn, so one SUBSCRIBE.
      await Promise.all([
        this.#bus.subscribe(announced, take),
        this.#bus.subscribe(partitionKeys(epoch, partition).notice, this.#notice(partition)),
      ])
      return connection
    } catch {
      return undefined
    }
  }

  /**
   * Compares positions with the ledger, and brings up what is behind. One that is just being opened hears of its head too:
   * it may have asked for it before what this comparison is about.
   */
  async compare(feeds: Iterable<Feed>): Promise<void> {
    const { epoch } = this.#ledger
    const asked = [...feeds].filter(feed => !feed.ended && feed.epoch === epoch)
    const offsets = new Map(asked.map(feed => [feed.channel, feed.position ?? 0]))
    if (asked.length === 0) return
    try {
      for await (const heads of this.#heads.readMany([...offsets.keys()], { epoch, offsets })) {
        const there = new Map<Feed, ChannelHead>()
        for (const [channel, at] of heads) {
          const feed = this.#feeds.get(channel)
          // Where the ledger lacks what was delivered, subscribers keep their places: the right server may come back, and
          // in a new epoch they are told.
          if (feed?.epoch === epoch && at.head >= (offsets.get(channel) ?? 0)) there.set(feed, at)
        }
        await bringUp(this.#ledger, there)
      }
    } catch (error) {
      // What gave rise to it does not come again.
      for (const feed of asked) feed.assuredOn = undefined
      throw error
    }
  }

  /** Whether the ledger has lost events: nobody can say for good then that a place does not exist. */
  get ledgerBehind(): boolean {
    return this.#ledger.losses.lostOn !== undefined
  }

  /** Closes feeds that nobody has used for a while. */
  closeIdle(now: number): void {
    for (const feed of this.#feeds.values()) {
      if (feed.size === 0 && (feed.ended || now - feed.emptySince > lingerMs)) this.#forget(feed)
    }
  }

  /** Ends everything: the epoch is another one, or the node stops. */
  endAll(): void {
    clearTimeout(this.#doubting)
    this.#doubting = undefined
    for (const feed of [...this.#feeds.values()]) {
      feed.end()
      this.#forget(feed)
    }
  }

  async #open(feed: Feed): Promise<void> {
    const confirming = this.#subscribe(feed)
    try {
      feed.assuredOn = await within(confirming, confirmWaitMs, 'the bus').catch(() => undefined)
      const { head, floor } = await this.#head(feed)
      feed.open(head, floor)
    } catch (error) {
      this.#forget(feed)
      feed.end()
      throw error
    }
  }

  /**
   * Where the ledger can't answer, the history's top serves: a feed may begin at any place that exists, since what
   * lies above it comes as + 1 or is found missing by the comparison.
   */
  async #head(feed: Feed): Promise<{ head: number; floor: number }> {
    const { channel } = feed
    try {
      return await this.#heads.read(channel)
    } catch (error) {
      const hot = await this.#pages.hot(channel, { since: 0, limit: 1 })
      if (!hot || hot.top === 0) throw error
      this.#logger.debug({ channel }, 'the ledger is away; a channel opens at its history’s top')
      feed.assuredOn = undefined
      return { head: hot.top, floor: 0 }
    }
  }

  /** Something was said about the feed that can't be read: the ledger is asked what it was. */
  #doubt(feed: Feed): void {
    this.#doubted.add(feed)
    this.#doubting ??= setTimeout(() => {
      this.#doubting = undefined
      const doubted = this.#doubted
      this.#doubted = new Set()
      this.compare(doubted).catch(() => undefined)
    }, noticeDelayMs)
  }

  /** The handler of a partition's notices: they lead to one comparison of its channels. */
  #notice(partition: number): (message: Buffer) => void {
    const known = this.#notices.get(partition)
    if (known) return known.heard
    const notice = {
      timer: undefined as NodeJS.Timeout | undefined,
      heard: (message: Buffer) => {
        const said = readNotice(message)
        if (said.kind === 'forget') this.#forgetPast(said.channel)
        if (said.kind === 'foreign')
          this.#foreign.note('notice', partitionKeys(this.#ledger.epoch, partition).notice)
        notice.timer ??= setTimeout(() => {
          notice.timer = undefined
          this.compare(this.inPartition(partition)).catch(() => undefined)
        }, noticeDelayMs)
      },
    }
    this.#notices.set(partition, notice)
    return notice.heard
  }

  /** An event of the channel was erased: what this node still holds of its past may say it. */
  #forgetPast(channel: string): void {
    this.#pages.forget(channel)
    this.#feeds.get(channel)?.forgetRecent()
  }

  #forget(feed: Feed): void {
    feed.ended = true
    if (this.#feeds.get(feed.channel) === feed) {
      this.#feeds.delete(feed.channel)
      this.#bus?.unsubscribe(busChannel(feed.epoch, feed.partition, feed.channel))
    }
    const others = this.#byPartition.get(feed.partition)
    others?.delete(feed)
    if (others?.size !== 0) return
    this.#byPartition.delete(feed.partition)
    clearTimeout(this.#notices.get(feed.partition)?.timer)
    this.#notices.delete(feed.partition)
    this.#bus?.unsubscribe(partitionKeys(feed.epoch, feed.partition).notice)
  }
}
