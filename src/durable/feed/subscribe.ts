import { HoldfastError } from '../../domain/index.ts'
import type { LostBy, RecoverRequest, Subscription } from '../../hub/index.ts'
import { publicationOf } from '../../protocol/index.ts'
import { lossAdvice } from '../ledger/loss-evidence.ts'
import { within } from '../mirror/deadline.ts'
import type { DurableSubscribe } from '../tier.ts'
import type { Feed } from './feed.ts'
import type { Feeds } from './feeds.ts'
import type { Heads } from './heads.ts'
import type { Member } from './member.ts'
import { limitAfter, type Page, type Pages } from './pages.ts'
import { decideRecovery } from './recovery.ts'
import { above, lastOf, linesOf } from './run.ts'

/** What can be read within this time rides in the reply; SDKs give a subscribe command up after five seconds. */
const replyMs = 500
/** A reply waits in the bounded part of the mailbox. */
const replyBytes = 262_144

/** Subscribes sessions: opens the feed, decides what a wish to continue comes to, and reads the first part of it. */
export class Subscribing {
  readonly #feeds: Feeds
  readonly #heads: Heads
  readonly #pages: Pages

  constructor(feeds: Feeds, heads: Heads, pages: Pages) {
    this.#feeds = feeds
    this.#heads = heads
    this.#pages = pages
  }

  /** @throws HoldfastError DEPENDENCY_* for a passing inability, so that the client keeps its place */
  async subscribe({ channel, outlet, options, recover }: DurableSubscribe): Promise<Subscription> {
    const feed = this.#feeds.acquire(channel)
    const member = feed.enter(outlet)
    try {
      await this.#feeds.opened(feed)
      const placed = await this.#place(feed, member, recover, options.replay.maxPushed)
      const publications = Array.isArray(placed) ? placed : undefined
      if (member.state === 'expelled')
        throw new HoldfastError('DEPENDENCY_FAILED', `${channel} has just been ended`)
      const first = publications || !recover ? undefined : await this.#firstLeft(feed, recover)
      return {
        position: { epoch: feed.epoch, offset: publications && recover ? recover.offset : member.at },
        recoverable: true,
        positioned: true,
        wasRecovering: recover !== undefined,
        recovered: recover !== undefined && publications !== undefined,
        ...(typeof placed === 'string' && { lost: placed }),
        ...(first === undefined ? {} : { first }),
        publications: publications ?? [],
        join: () => feed.join(member),
      }
    } catch (error) {
      feed.leave(outlet.client, member)
      throw error
    }
  }

  /** Sets the session's place. Returns what rides in the reply, or why it is not recovered; undefined where it did not ask. */
  async #place(
    feed: Feed,
    member: Member,
    recover: RecoverRequest | undefined,
    maxPushed: number,
  ): Promise<string[] | LostBy | undefined> {
    const decision = decideRecovery(recover, feed, maxPushed)
    const placed = recover && (await this.#recover(decision, feed, member, recover.offset))
    if (!Array.isArray(placed)) member.at = feed.position
    return placed
  }

  async #recover(
    decision: ReturnType<typeof decideRecovery>,
    feed: Feed,
    member: Member,
    since: number,
  ): Promise<string[] | LostBy | undefined> {
    member.at = since
    if (decision === 'level') return []
    if (decision === 'read') return (await this.#read(feed, member)) ?? 'removed'
    if (decision === 'fresh') return undefined
    if (decision !== 'ahead') return decision.lost
    const { head, floor } = await this.#heads.read(feed.channel)
    feed.hear(head, floor)
    if (since > head && this.#feeds.ledgerBehind) throw new HoldfastError('LEDGER_BEHIND', lossAdvice)
    return since <= head ? [] : 'ahead'
  }

  /** The first offset there is, where retention has removed what the client asks for. */
  async #firstLeft(feed: Feed, recover: RecoverRequest): Promise<number | undefined> {
    if (recover.epoch !== '' && recover.epoch !== feed.epoch) return undefined
    // While the ledger is away, what the node knows of the floor is true, if perhaps not all of it.
    const read = await this.#heads.read(feed.channel).catch(() => undefined)
    const floor = Math.max(feed.floor, read?.floor ?? 0)
    return recover.offset < floor ? floor + 1 : undefined
  }

  /** Reads on from the member's place for as long as a reply may take. */
  async #read(feed: Feed, member: Member): Promise<string[] | undefined> {
    const publications: string[] = []
    const end = performance.now() + replyMs
    let page: Page | undefined
    let bytes = 0
    while (member.at < feed.position && bytes < replyBytes) {
      const reading = this.#pages.read(feed.channel, member.at, limitAfter(page))
      const read = await within(reading, end - performance.now(), 'the first page').catch(error => {
        // The rest of a long replay follows as pushes; a failure at the start is the client's to know.
        if (publications.length > 0 || error.code === 'DEPENDENCY_TIMEOUT') return undefined
        throw error
      })
      if (!read) break
      if (read.kind === 'removed' && publications.length === 0) return undefined
      if (read.kind === 'end')
        throw new HoldfastError('DEPENDENCY_FAILED', 'the ledger is behind what it has told')
      if (read.kind !== 'page') break
      page = read.page
      const rest = above(page.run, member.at) ?? page.run
      for (const line of linesOf(rest)) publications.push(publicationOf(feed.channel, line))
      bytes += rest.text.length
      member.at = lastOf(page.run)
      if (member.at > feed.position) feed.offer(page.run)
    }
    return publications
  }
}
