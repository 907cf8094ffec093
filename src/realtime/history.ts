import { HoldfastError, type NamespaceOptions, type Position } from '../domain/index.ts'
import type { HistoryPage, HistoryRequest } from '../hub/index.ts'
import { metaBeyondHistoryMs, newEpoch } from './append-queue.ts'
import type { Keys } from './keys.ts'
import type { RedisLink } from './redis-link.ts'
import type { HistorySlice } from './scripts.ts'

/** The short memory of channels that keep one, as it is read. */
export class History {
  readonly #link: RedisLink | undefined
  readonly #keys: Keys

  constructor(link: RedisLink | undefined, keys: Keys) {
    this.#link = link
    this.#keys = keys
  }

  /** @throws HoldfastError POSITION_LOST where `since` is of another epoch, NOT_AVAILABLE, DEPENDENCY_* */
  async page(request: HistoryRequest, options: NamespaceOptions): Promise<HistoryPage> {
    const { channel, since, limit, reverse } = request
    if (options.history.size === 0) throw new HoldfastError('NOT_AVAILABLE', `${channel} keeps no history`)
    const slice = await this.read(channel, options.history.ttlSeconds, {
      limit,
      reverse,
      ...(since && { since: since.offset }),
    })
    if (since && since.epoch !== '' && since.epoch !== slice.head.epoch) {
      throw new HoldfastError('POSITION_LOST', `${channel} is in another epoch than ${since.epoch}`, {
        details: { epoch: slice.head.epoch },
      })
    }
    return { publications: slice.entries.map(entry => entry.publication), ...slice.head }
  }

  /** @throws HoldfastError DEPENDENCY_* */
  async read(
    channel: string,
    ttlSeconds: number,
    part: { since?: number; limit: number; reverse: boolean },
  ): Promise<HistorySlice> {
    const [slice] = await this.#read([{ channel, ttlSeconds, ...part }])
    if (!slice || slice instanceof Error)
      throw new HoldfastError('INTERNAL', 'a history read without a result')
    return slice
  }

  /**
   * The heads of several channels, in their order, in one write to Redis; undefined for one that Redis refuses to read.
   * @throws HoldfastError DEPENDENCY_* where it refuses all of them, or does not answer
   */
  async heads(
    channels: readonly { name: string; historyTtlSeconds: number }[],
  ): Promise<(Position | undefined)[]> {
    const slices = await this.#read(
      channels.map(({ name, historyTtlSeconds }) => ({
        channel: name,
        ttlSeconds: historyTtlSeconds,
        limit: 0,
        reverse: false,
      })),
    )
    return slices.map(slice => (slice instanceof Error ? undefined : slice.head))
  }

  #read(
    reads: readonly {
      channel: string
      ttlSeconds: number
      since?: number
      limit: number
      reverse: boolean
    }[],
  ): Promise<(HistorySlice | Error)[]> {
    if (!this.#link)
      throw new HoldfastError('DEPENDENCY_REJECTED', 'history needs redis, and none is configured')
    const { run } = this.#link
    // A page is asked for by somebody who wants nothing else, so it may take its time; nobody else waits for it.
    return this.#link.call(scripts =>
      scripts.readHistories(
        reads.map(({ channel, ttlSeconds, ...part }) => ({
          ...part,
          run,
          keys: this.#keys.history(channel),
          newEpoch: newEpoch(),
          metaTtlMs: ttlSeconds * 1_000 + metaBeyondHistoryMs,
        })),
      ),
    )
  }
}
