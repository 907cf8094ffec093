import { HoldfastError } from '../../domain/index.ts'
import type { HistoryPage, HistoryRequest } from '../../hub/index.ts'
import { publicationOf } from '../../protocol/index.ts'
import type { ChannelHead, Ledger } from '../ledger/ledger.ts'
import { lossAdvice } from '../ledger/loss-evidence.ts'
import { within } from '../mirror/deadline.ts'
import { eventLine } from '../mirror/entry.ts'
import type { Heads } from './heads.ts'
import { limitAfter, type Page, type Pages, pageBytes, pageLimit } from './pages.ts'
import { above, linesOf } from './run.ts'

const deadlineMs = 4_000

interface Slice {
  readonly since: number
  readonly limit: number
  readonly reverse: boolean
}

/**
 * Pages of a channel's past. The head is the ledger's, so a page never hides what was acknowledged before it was
 * asked for; the entries come from the pages that all sessions share. While the ledger is away, Redis alone answers
 * for a slice it has without a hole, with its own top as the head.
 */
export class History {
  readonly #ledger: Ledger
  readonly #heads: Heads
  readonly #pages: Pages

  constructor(ledger: Ledger, heads: Heads, pages: Pages) {
    this.#ledger = ledger
    this.#heads = heads
    this.#pages = pages
  }

  /** @throws HoldfastError POSITION_LOST for another epoch, DEPENDENCY_* for a passing inability */
  async read({ channel, since, limit, reverse }: HistoryRequest): Promise<HistoryPage> {
    const known = await this.#heads.read(channel).catch((error: HoldfastError) => error)
    // Only now: the answer may have told of a new epoch.
    const { epoch } = this.#ledger
    if (since && since.epoch !== '' && since.epoch !== epoch) {
      throw new HoldfastError('POSITION_LOST', `${channel} has another epoch than ${since.epoch}`, {
        details: { epoch },
      })
    }
    if (known instanceof Error) {
      const hot = await this.#withoutLedger(channel, { since: since?.offset ?? -1, limit, reverse })
      if (!hot) throw known
      return { ...hot, epoch }
    }
    const { head, floor } = known
    if (since && since.offset > head && this.#ledger.losses.lostOn !== undefined)
      throw new HoldfastError('LEDGER_BEHIND', lossAdvice)
    const slice = { since: since?.offset ?? (reverse ? head + 1 : floor), limit, reverse }
    if (limit === 0 || (reverse ? slice.since <= floor + 1 : slice.since >= head)) {
      return { publications: [], offset: head, epoch, floor }
    }
    const lines = await within(this.#lines(channel, slice, known), deadlineMs, 'reading history')
    if (!lines) return this.#cold(channel, slice, epoch)
    const publications = lines.map(line => publicationOf(channel, line))
    return { publications: reverse ? publications.reverse() : publications, offset: head, epoch, floor }
  }

  /**
   * The slice's lines, as far as half a megabyte goes. Undefined where the ledger has to be asked for just this slice:
   * retention is at work on it, or of what was asked for in reverse the newest would be missing.
   */
  async #lines(channel: string, slice: Slice, { head, floor }: ChannelHead): Promise<string[] | undefined> {
    const { since, limit, reverse } = slice
    const to = reverse ? Math.min(head, since - 1) : Math.min(head, Math.max(floor, since) + limit)
    const from = Math.max(floor, reverse ? to - limit : since)
    const lines: string[] = []
    let bytes = 0
    let page: Page | undefined
    let at = from
    while (at < to && bytes < pageBytes) {
      const most = page ? limitAfter(page) : pageLimit - 1
      const read = await this.#pages.read(channel, at, Math.min(to - at, most))
      if (read.kind !== 'page') return undefined
      page = read.page
      const run = above(page.run, at) ?? page.run
      const taken = linesOf(run, to - at)
      for (const line of taken) {
        lines.push(line)
        bytes += line.length
      }
      at += taken.length
    }
    return reverse && at < to ? undefined : lines
  }

  async #cold(channel: string, slice: Slice, epoch: string): Promise<HistoryPage> {
    const read = this.#ledger.readChannel(channel, { ...slice, maxBytes: pageBytes })
    const { events, head, floor } = await within(read, deadlineMs, 'reading history from the ledger')
    const publications = events.map(event => publicationOf(channel, eventLine(event)))
    return { publications, offset: head, epoch, floor }
  }

  async #withoutLedger(channel: string, { since, limit, reverse }: Slice) {
    const { top } = (await this.#pages.hot(channel, { since: 0, limit: 1 })) ?? { top: 0 }
    if (top === 0) return undefined
    if (limit === 0) return { publications: [], offset: top }
    const from = since >= 0 ? since : reverse ? top + 1 : 0
    const hot = await this.#pages.hot(channel, { since: from, limit, reverse })
    if (!hot || hot.count === 0) return undefined
    const lines = hot.text.toString().split('\n')
    return { publications: lines.map(line => publicationOf(channel, line)), offset: hot.top }
  }
}
