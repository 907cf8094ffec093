import { HoldfastError } from '../../domain/index.ts'
import type { HistoryPage, HistoryRequest } from '../../hub/index.ts'
import { publicationOf } from '../../protocol/index.ts'
import type { ChannelHead, Ledger } from '../ledger/ledger.ts'
import { within } from '../mirror/deadline.ts'
import { eventLine } from '../mirror/entry.ts'
import type { Heads } from './heads.ts'
import { type Pages, pageBytes } from './pages.ts'

const deadlineMs = 4_000

interface Slice {
  readonly since: number
  readonly limit: number
  readonly reverse: boolean
}

/**
 * Pages of a channel's past. The head is the ledger's, so a page never hides what was acknowledged before it was
 * asked for; the entries come from Redis where it has them all. While the ledger is away, Redis alone answers
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
    const slice = { since: since?.offset ?? (reverse ? head + 1 : floor), limit, reverse }
    if (limit === 0 || (reverse ? slice.since <= floor + 1 : slice.since >= head)) {
      return { publications: [], offset: head, epoch, floor }
    }
    return (await this.#hot(channel, slice, known, epoch)) ?? (await this.#cold(channel, slice, epoch))
  }

  async #hot(channel: string, slice: Slice, { head, floor }: ChannelHead, epoch: string) {
    const { since, limit, reverse } = slice
    if (reverse ? since > head + 1 : since < floor) return undefined
    const hot = await this.#pages.hot(channel, slice)
    if (!hot || hot.count === 0) return undefined
    const whole = reverse ? Math.min(limit, since - 1 - floor) : Math.min(limit, head - since)
    // Large entries may end a slice early; it is dense, so a client pages on from there.
    if (hot.count < whole && hot.text.length < 65_536) return undefined
    const lines = hot.text.toString().split('\n').slice(0, whole)
    return { publications: lines.map(line => publicationOf(channel, line)), offset: head, epoch, floor }
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
