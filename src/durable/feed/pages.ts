import { HoldfastError } from '../../domain/index.ts'
import { Packet } from '../../hub/index.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { within } from '../mirror/deadline.ts'
import { eventLine } from '../mirror/entry.ts'
import type { PartitionMirrors } from '../mirror/partition-mirror.ts'
import { lastOf } from './run.ts'
import { type Page, type PageRead, SharedPages } from './shared-pages.ts'

export type { Page, PageRead } from './shared-pages.ts'

/** Longer than a page takes on a ledger that is well. */
const deadlineMs = 5_000
/** Entries of a page, unless they are large. */
export const pageLimit = 1_000
const firstPageLimit = 256
export const pageBytes = 512 * 1_024

/**
 * How many entries the page after this one should have at most, so that pages stay below half a megabyte. Only where
 * events are known to be small the read itself is not bounded in bytes.
 */
export function limitAfter(page: Page | undefined): number {
  if (!page) return firstPageLimit
  const average = page.packet.payload.length / page.run.count
  return Math.max(16, Math.min(pageLimit, Math.floor(pageBytes / average)))
}

/**
 * Reads pages from Redis where it can say yes, else from the ledger. What several sessions want at the same time, or
 * within seconds, is read once, from whatever place each of them begins.
 */
export class Pages {
  readonly #ledger: Ledger
  readonly #mirrors: PartitionMirrors | undefined
  readonly #shared: SharedPages

  constructor(ledger: Ledger, mirrors: PartitionMirrors | undefined, shared = new SharedPages()) {
    this.#ledger = ledger
    this.#mirrors = mirrors
    this.#shared = shared
  }

  /**
   * A page with at least one publication after `since`, where there is one. It may begin before that: then another
   * session wanted it so. It has at most `limit` publications, unless more are at hand.
   * @throws HoldfastError DEPENDENCY_* when neither Redis nor the ledger can answer at this moment
   */
  async read(channel: string, since: number, limit: number): Promise<PageRead> {
    // What was read in another epoch may be about other events.
    const key = `${this.#ledger.epoch} ${channel}`
    for (;;) {
      const found = this.#shared.covering(key, since)
      if (!found) {
        const most = Math.min(limit, this.#shared.room(key, since))
        return this.#shared.begin(key, since, most, this.#read(channel, since, most)).reading
      }
      const read: PageRead = found.page ? { kind: 'page', page: found.page } : await found.reading
      if (read.kind === 'removed' && since < read.floor) return read
      if (read.kind === 'page' && lastOf(read.page.run) > since) return read
      // It came too short, or to an end that another saw before this call: so it is asked once more.
    }
  }

  /** What is asked from now on is read anew: some of the channel's events are not what they were. */
  forget(channel: string): void {
    this.#shared.forget(`${this.#ledger.epoch} ${channel}`)
  }

  /** Forgets everything. */
  clear(): void {
    this.#shared.clear()
  }

  /** What Redis has beside `since`; undefined where it can't say. */
  async hot(
    channel: string,
    request: { since: number; limit: number; reverse?: boolean },
  ): Promise<{ readonly top: number; readonly count: number; readonly text: Buffer } | undefined> {
    // What the ledger has lost may still be there, and nobody can go on from it.
    if (!this.#mirrors?.reachable || this.#ledger.losses.lostOn !== undefined) return undefined
    try {
      return await this.#mirrors.readHistory(this.#ledger.partitionOf(channel), { channel, ...request })
    } catch {
      return undefined
    }
  }

  async #read(channel: string, since: number, limit: number): Promise<PageRead> {
    const hot = await this.hot(channel, { since, limit })
    if (hot && hot.count > 0) return { kind: 'page', page: pageOf(since, [hot.text], hot.count) }
    const { events, head, floor } = await within(
      this.#ledger.readChannel(channel, { since, limit, ...(limit < pageLimit && { maxBytes: pageBytes }) }),
      deadlineMs,
      'reading a page of the ledger',
    )
    if (since < floor) return { kind: 'removed', floor }
    if (events.length === 0) return { kind: 'end', head }
    if (events[0]?.offset !== since + 1 || events.at(-1)?.offset !== since + events.length) {
      throw new HoldfastError('INTERNAL', `the ledger's page of ${channel} after ${since} has a hole`)
    }
    return { kind: 'page', page: pageOf(since, events.map(eventLine), events.length) }
  }
}

function pageOf(since: number, lines: readonly (string | Buffer)[], count: number): Page {
  const packet = Packet.of(lines, count)
  return { packet, run: { first: since + 1, count, text: packet.payload } }
}
