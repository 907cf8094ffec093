import { asHoldfastError, type Position } from '../domain/index.ts'
import type { LostBy, Subscription } from '../hub/index.ts'
import type { History } from './history.ts'
import type { Joining, LiveChannel } from './live-channel.ts'
import type { LiveChannels } from './live-channels.ts'
import type { Numbering } from './numbering.ts'
import { judgeRecovery } from './recovery.ts'
import type { RedisLink } from './redis-link.ts'
import type { RealtimeSubscribe } from './tier.ts'

/** What a subscribe reply may carry: it has to fit into the session's mailbox beside other replies. */
const maxRecovered = 1_000
const maxRecoveredCharacters = 256 * 1024

/** How long a bus that may be deaf is given. */
const barrierMs = 1_000

interface Placed {
  /** The head of the channel's history at the moment of reading. */
  readonly head: Position
  readonly recovered: boolean
  readonly lost?: LostBy
  readonly publications: readonly string[]
}

/**
 * Brings sessions into channels: first the bus, confirmed, then one look at the history, then (in `join`) the
 * lines that came meanwhile. In this order nothing falls between.
 *
 * While Redis is away a session joins for what is published on its own node. One that wanted a place keeps the one
 * it came with, and is sent to ask again (2500) when Redis is back; so nothing is called lost for a passing reason.
 */
export class Subscriber {
  readonly #channels: LiveChannels
  readonly #history: History
  readonly #link: RedisLink | undefined
  readonly #numbering: Numbering | undefined

  constructor(
    channels: LiveChannels,
    history: History,
    link: RedisLink | undefined,
    numbering: Numbering | undefined,
  ) {
    this.#channels = channels
    this.#history = history
    this.#link = link
    this.#numbering = numbering
  }

  /** @throws HoldfastError ALREADY_SUBSCRIBED */
  async subscribe(request: RealtimeSubscribe): Promise<Subscription> {
    const { outlet, options, recover } = request
    const channel = this.#channels.open(request.channel, options)
    channel.expect(outlet)
    try {
      await this.#channels.confirm(channel)
      const remembers = options.history.size > 0
      const recoverable =
        remembers && (options.forceRecovery || request.recoverable === true || recover !== undefined)
      const positioned = remembers && (recoverable || options.forcePositioning || request.positioned === true)
      const base = { recoverable, positioned, wasRecovering: recoverable && recover !== undefined }
      if (!positioned) return this.#joins(channel, request, { kind: 'plain' }, { ...base, ...nothing })
      const placed = await this.#place(request, base.wasRecovering)
      // Asked again behind the wait: what went out without a number meanwhile makes the place a wrong one.
      if (placed && this.#numbering?.numbers(request.channel)) {
        const { head, recovered, lost, publications } = placed
        const position = recovered && recover ? { epoch: head.epoch, offset: recover.offset } : head
        return this.#joins(
          channel,
          request,
          { kind: 'placed', from: head },
          { ...base, position, recovered, publications, ...(lost && { lost }) },
        )
      }
      if (!base.wasRecovering || !recover) {
        return this.#joins(
          channel,
          request,
          { kind: 'owed' },
          { ...base, ...nothing, recoverable: false, positioned: false },
        )
      }
      const kept = { position: recover, recovered: true, publications: [] }
      return this.#joins(channel, request, { kind: 'owed' }, { ...base, ...kept })
    } catch (error) {
      channel.remove(outlet.client)
      throw asHoldfastError(error)
    }
  }

  /** Undefined where Redis does not answer promptly, or places can't be relied on at the moment. */
  async #place(
    { channel, options, recover }: RealtimeSubscribe,
    recovering: boolean,
  ): Promise<Placed | undefined> {
    const link = this.#link
    if (!link?.prompt || !this.#numbering?.numbers(channel)) return undefined
    const limit = recovering ? Math.min(options.history.size, maxRecovered) : 0
    const since = recovering && recover ? { since: recover.offset } : {}
    try {
      const { ttlSeconds } = options.history
      const part = { ...since, limit, reverse: false }
      const slice = await link.whilePrompt(this.#history.read(channel, ttlSeconds, part))
      if (!slice) return undefined
      // Whatever was published before the read has come over the bus by now, or never will; where the bus is away, the
      // place is compared when it is back. One with so much under way that it can't say so would bring what is older
      // than the place.
      const ended = link.pubsub.barrier().then(
        () => true,
        () => true,
      )
      if (!(await link.whilePrompt(ended, barrierMs))) return undefined
      const outcome = recovering && recover ? judgeRecovery(recover, slice, maxRecoveredCharacters) : nothing
      return { head: slice.head, ...outcome }
    } catch (error) {
      if (asHoldfastError(error).code.startsWith('DEPENDENCY_')) return undefined
      throw error
    }
  }

  #joins(
    channel: LiveChannel,
    { outlet }: RealtimeSubscribe,
    joining: Joining,
    subscription: Omit<Subscription, 'join'>,
  ): Subscription {
    return { ...subscription, join: () => channel.join(outlet, joining) }
  }
}

const nothing = { recovered: false, publications: [] as const }
