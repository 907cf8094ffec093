import { abortable } from './abortable.ts'
import { codes, HoldfastClientError } from './errors.ts'
import type { Follower, Item, Place } from './follower.ts'
import { pause, persistentRead, type ReadParts } from './persistent-read.ts'
import { type HistoryPage, readHistory } from './received.ts'
import type { Received } from './types.ts'

/** How many events a page of history asks for; the server gives fewer where it wants to. */
export const pageSize = 500

export interface PastOptions {
  readonly channel: string
  readonly follower: Follower<Received>
  readonly since: Place
  /** Nothing after this offset is wanted. */
  readonly until: number
  /** Nor more events than this. */
  readonly limit: number
  readonly signal: AbortSignal
  readonly parts: ReadParts
}

/**
 * A channel's past up to its head as the first answer tells it. A page is read when the one before it begins to be
 * handed on, and no further one.
 * @throws HoldfastClientError for whatever does not pass; the signal's reason
 */
export async function* past(
  options: PastOptions,
): AsyncGenerator<readonly Item<Received>[], void, undefined> {
  const { channel, follower, signal, parts } = options
  let left = options.limit
  let head = Number.POSITIVE_INFINITY
  const at = () => follower.place ?? options.since
  const wanted = () => Math.min(pageSize, left, Math.min(head, options.until) - at().offset)

  const read = async (since: Place, limit: number): Promise<HistoryPage> => {
    const pageOf = (asked: { since: Place; limit: number } | { limit: number }) =>
      persistentRead(channel, () => readHistory(parts.sdk, channel, asked), parts, signal)
    try {
      return await pageOf({ since, limit })
    } catch (error) {
      if (!(error instanceof HoldfastClientError) || error.code !== codes.unrecoverablePosition) throw error
      // The epoch we read with is not the channel's any more: its position tells the new one.
      const position = await pageOf({ limit: 0 })
      return position.epoch === since.epoch ? read(since, limit) : position
    }
  }
  const next = () => {
    const reading = read(at(), wanted())
    // It fails for whoever awaits it, who may have left.
    reading.catch(() => undefined)
    return reading
  }

  let idle = 0
  for (let reading: Promise<HistoryPage> | undefined = next(); reading; ) {
    const page: HistoryPage = await reading
    const before = follower.place
    const first = before === undefined
    const position = { epoch: page.epoch, offset: page.head }
    const items = first ? follower.subscribed({ position, recovered: false }) : []
    if (items.length === 0) for (const item of follower.page(page)) items.push(item)
    if (first || items.some(item => item.kind === 'reset')) head = page.head
    left -= items.filter(item => item.kind === 'event').length
    // The reader may stand a moment behind what was told, as without the ledger.
    if (follower.catchingUp && follower.place?.offset === before?.offset && items.length === 0)
      await abortable(pause(parts.clock, idle++), signal)
    else idle = 0
    reading = follower.catchingUp && wanted() > 0 ? next() : undefined
    if (items.length > 0) yield items
  }
}
