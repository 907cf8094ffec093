import type { Clock } from './clock.ts'
import { clientError, codes, type HoldfastClientError } from './errors.ts'
import type { Follower, Item, Page, Place } from './follower.ts'
import { pause } from './persistent-read.ts'

export interface CatchUpOptions<E extends { readonly offset?: number | undefined }> {
  readonly clock: Clock
  readonly follower: Follower<E>
  /** Reads what follows `since`; without it, only where the channel stands. */
  readonly read: (since: Place | undefined) => Promise<Page<E>>
  /** Whether there is a subscription to read for: the next one starts the reading again. */
  readonly subscribed: () => boolean
  /** Resolves when the handler has caught up so far that more may be read. */
  readonly room: () => Promise<void>
  readonly deliver: (items: Item<E>[]) => void
  readonly onRetry: (error: HoldfastClientError) => void
}

/**
 * Reads the past page by page, at the handler's pace, until nothing is missing. The returned function starts it, and
 * does nothing while it runs.
 */
export function catchUp<E extends { readonly offset?: number | undefined }>(
  options: CatchUpOptions<E>,
): () => void {
  let running = false
  const run = async () => {
    running = true
    let failures = 0
    while (options.follower.catchingUp) {
      await options.room()
      if (!options.subscribed()) break
      const before = options.follower.place?.offset
      const error = await readPage(options)
      if (!error && options.follower.place?.offset !== before) {
        failures = 0
        continue
      }
      // A page that brought nothing is no error: the reader may stand a moment behind the live events.
      if (!options.follower.catchingUp) break
      // Below 100 the connection was lost, which is told elsewhere.
      if (error && error.code >= codes.internal) options.onRetry(error)
      await pause(options.clock, failures++)
    }
    running = false
  }
  return () => {
    if (!running && options.follower.catchingUp) void run()
  }
}

/** Returns an error that may pass; everything else ends in items. */
async function readPage<E extends { readonly offset?: number | undefined }>(
  options: CatchUpOptions<E>,
): Promise<HoldfastClientError | undefined> {
  const { follower } = options
  try {
    options.deliver(follower.page(await options.read(follower.place)))
  } catch (thrown) {
    const error = clientError(thrown)
    if (error.temporary || error.code === codes.disconnected) return error
    // The epoch we read with is not the channel's any more: its position tells the new one.
    if (error.code === codes.unrecoverablePosition) return readPosition(options)
    options.deliver(follower.historyRefused())
  }
  return undefined
}

async function readPosition<E extends { readonly offset?: number | undefined }>(
  options: CatchUpOptions<E>,
): Promise<HoldfastClientError | undefined> {
  try {
    const page = await options.read(undefined)
    if (page.epoch === options.follower.place?.epoch) options.deliver(options.follower.historyRefused())
    else options.deliver(options.follower.page(page))
  } catch (thrown) {
    return clientError(thrown)
  }
  return undefined
}
