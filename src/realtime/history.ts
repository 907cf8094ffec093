import { randomBytes } from 'node:crypto'
import { HoldfastError, type NamespaceOptions, type Position } from '../domain/index.ts'
import type { HistoryPage, HistoryRequest } from '../hub/index.ts'
import { encodePublication } from '../protocol/index.ts'
import { numberedHead } from './envelope.ts'
import type { Keys } from './keys.ts'
import { publishMemoryMs } from './once.ts'
import type { RedisLink } from './redis-link.ts'
import type { Append, AppendOutcome, HistorySlice } from './scripts.ts'
import type { RealtimePublish } from './tier.ts'

/** How long the numbering outlives the publications: a quiet channel keeps its epoch, so clients keep their place. */
const metaBeyondHistoryMs = 24 * 3_600_000
/** Publications that may wait for Redis before publishers are told to come back later. */
const maxWaiting = 10_000
/** Publications in one write to Redis; they are scripts, and Redis does nothing else meanwhile. */
const maxAtOnce = 500

interface Waiting {
  readonly append: Omit<Append, 'notAfter'>
  readonly resolve: (place: Position | 'unsent') => void
  readonly reject: (error: unknown) => void
}

/**
 * The short memory of channels that keep one: Redis numbers, keeps and publishes in one act. Publications of one
 * turn of the event loop go out together, and while they are under way the next ones collect.
 */
export class History {
  readonly #link: RedisLink | undefined
  readonly #keys: Keys
  readonly #node: string
  #waiting: Waiting[] = []
  #scheduled = false
  #sending = false

  constructor(link: RedisLink | undefined, keys: Keys, node: string) {
    this.#link = link
    this.#keys = keys
    this.#node = node
  }

  /**
   * The publication's place, also where its idempotency key is known already; `unsent` when Redis is known to be
   * away, so that nobody has got it.
   * @throws HoldfastError DEPENDENCY_TIMEOUT, DEPENDENCY_FAILED (it may have been published), OVERLOADED
   */
  append(publication: RealtimePublish): Promise<Position | 'unsent'> {
    if (!this.#link?.passing) return Promise.resolve('unsent')
    if (this.#waiting.length >= maxWaiting) {
      return Promise.reject(new HoldfastError('OVERLOADED', 'too many publications wait for redis'))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ append: this.#encode(publication), resolve, reject })
      if (this.#scheduled || this.#sending) return
      this.#scheduled = true
      setImmediate(() => {
        this.#scheduled = false
        void this.#send()
      })
    })
  }

  /** @throws HoldfastError POSITION_LOST where `since` is of another epoch, NOT_AVAILABLE, DEPENDENCY_* */
  async page(request: HistoryRequest, options: NamespaceOptions): Promise<HistoryPage> {
    const { channel, since, limit, reverse } = request
    if (options.history.size === 0) throw new HoldfastError('NOT_AVAILABLE', `${channel} keeps no history`)
    const slice = await this.read(channel, options, { limit, reverse, ...(since && { since: since.offset }) })
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
    options: NamespaceOptions,
    part: { since?: number; limit: number; reverse: boolean },
  ): Promise<HistorySlice> {
    const [slice] = await this.#read([{ channel, ttlSeconds: options.history.ttlSeconds, ...part }])
    if (!slice) throw new HoldfastError('INTERNAL', 'a history read without a result')
    return slice
  }

  /** The heads of several channels, in their order, in one write to Redis. @throws HoldfastError DEPENDENCY_* */
  async heads(channels: readonly { name: string; historyTtlSeconds: number }[]): Promise<Position[]> {
    const slices = await this.#read(
      channels.map(({ name, historyTtlSeconds }) => ({
        channel: name,
        ttlSeconds: historyTtlSeconds,
        limit: 0,
        reverse: false,
      })),
    )
    return slices.map(slice => slice.head)
  }

  #read(
    reads: readonly {
      channel: string
      ttlSeconds: number
      since?: number
      limit: number
      reverse: boolean
    }[],
  ): Promise<HistorySlice[]> {
    if (!this.#link)
      throw new HoldfastError('DEPENDENCY_REJECTED', 'history needs redis, and none is configured')
    return this.#link.call(scripts =>
      scripts.readHistories(
        reads.map(({ channel, ttlSeconds, ...part }) => ({
          ...part,
          keys: this.#keys.history(channel),
          newEpoch: newEpoch(),
          metaTtlMs: ttlSeconds * 1_000 + metaBeyondHistoryMs,
        })),
      ),
    )
  }

  async #send(): Promise<void> {
    const link = this.#link
    if (!link || this.#sending) return
    this.#sending = true
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, maxAtOnce)
      try {
        const notAfter = link.notAfter()
        const appends = batch.map(({ append }) => ({ ...append, notAfter }))
        const outcomes = await link.call(scripts => scripts.appendAll(appends))
        for (const [i, waiting] of batch.entries())
          settle(waiting, outcomes[i], clock => link.learnClock(clock))
      } catch (error) {
        const unsent = error instanceof HoldfastError && error.code === 'DEPENDENCY_REJECTED'
        for (const { resolve, reject } of batch) unsent ? resolve('unsent') : reject(error)
      }
    }
    this.#sending = false
  }

  #encode(publication: RealtimePublish): Omit<Append, 'notAfter'> {
    const { channel, data, info, tags, idempotencyKey, options } = publication
    const head = encodePublication({ data, ...(info && { info }) })
    const tail = encodePublication({ data: '', ...(tags && { tags }), time: Date.now() })
    const ttlMs = options.history.ttlSeconds * 1_000
    return {
      keys: this.#keys.history(channel),
      ...(idempotencyKey !== undefined && { memoryKey: this.#keys.memory(channel, idempotencyKey) }),
      memoryMs: publishMemoryMs,
      newEpoch: newEpoch(),
      size: options.history.size,
      ttlMs,
      metaTtlMs: ttlMs + metaBeyondHistoryMs,
      busChannel: this.#keys.bus(channel),
      message: {
        head: numberedHead(this.#node),
        tail: `\n{"push":{"channel":${JSON.stringify(channel)},"pub":`,
      },
      publication: { head: `${head.slice(0, -1)},"offset":`, tail: tail.slice('{"data":'.length) },
    }
  }
}

function settle(
  { resolve, reject }: Waiting,
  outcome: AppendOutcome | Error | undefined,
  learnClock: (clock: number) => void,
): void {
  if (!outcome || outcome instanceof Error) {
    reject(new HoldfastError('DEPENDENCY_FAILED', 'redis refused the publication', { cause: outcome }))
    return
  }
  learnClock(outcome.clock)
  if (outcome.kind === 'late')
    reject(new HoldfastError('DEPENDENCY_TIMEOUT', 'redis got the publication too late'))
  else resolve(outcome.place)
}

/** The name of a numbering's life, should this call begin one. */
function newEpoch(): string {
  return randomBytes(6).toString('base64url')
}
