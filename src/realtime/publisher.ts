import type { ClientInfo, Position } from '../domain/index.ts'
import { encodePublication, pushJoin, pushLeave, pushPublication } from '../protocol/index.ts'
import { fannedOut } from '../tracing/index.ts'
import { type Bus, busSpan } from './bus.ts'
import type { Whom } from './envelope.ts'
import type { Keys } from './keys.ts'
import type { KnownKeys } from './known-keys.ts'
import type { LiveChannels } from './live-channels.ts'
import type { Marks } from './marks.ts'
import type { Numbering } from './numbering.ts'
import { publishOnce } from './once.ts'
import type { RedisLink } from './redis-link.ts'
import type { RealtimePublish, Signal } from './tier.ts'

const accepted: Promise<undefined> = Promise.resolve(undefined)

/**
 * Three ways to publish. Plain: to this node's subscribers at once, to the others over the bus. Numbered, where the
 * channel keeps a history: Redis decides the order (`numbering.ts`). Once, with an idempotency key: Redis decides
 * whether; where it does not say promptly, this node does.
 */
export class Publisher {
  readonly #channels: LiveChannels
  readonly #bus: Bus
  readonly #numbering: Numbering | undefined
  readonly #marks: Marks
  readonly #link: RedisLink | undefined
  readonly #keys: Keys
  readonly #known: KnownKeys

  constructor(parts: {
    channels: LiveChannels
    bus: Bus
    numbering: Numbering | undefined
    marks: Marks
    known: KnownKeys
    link: RedisLink | undefined
    keys: Keys
  }) {
    this.#channels = parts.channels
    this.#bus = parts.bus
    this.#numbering = parts.numbering
    this.#marks = parts.marks
    this.#known = parts.known
    this.#link = parts.link
    this.#keys = parts.keys
  }

  publish(publication: RealtimePublish): Promise<Position | undefined> {
    const { channel, data, info, tags, idempotencyKey, trace } = publication
    if (idempotencyKey !== undefined && this.#known.has(channel, idempotencyKey)) return accepted
    if (this.#numbering && publication.options.history.size > 0 && publication.skipHistory !== true)
      return this.#numbering.publish(publication)
    const line = pushPublication(
      channel,
      encodePublication({ data, ...(info && { info }), ...(tags && { tags }) }),
    )
    if (idempotencyKey !== undefined) return this.#publishOnce(channel, line, idempotencyKey, trace)
    this.#toAll(channel, line, trace)
    return accepted
  }

  signal({ channel, type, data, info, to, exclude, trace }: Signal): void {
    const tags = type === undefined ? undefined : { type }
    const line = pushPublication(
      channel,
      encodePublication({ data, ...(info && { info }), ...(tags && { tags }) }),
    )
    const live = this.#channels.get(channel)
    if (!to) {
      live?.publish(line, exclude)
      this.#tell(trace, channel)
      // Who is here is nowhere else, so the other nodes need not know of the exclusion and can batch.
      const elsewhere = exclude !== undefined && !live?.isHere(exclude)
      this.#bus.send(channel, elsewhere ? { exclude } : 'all', line, trace)
      return
    }
    const whom: Whom = { ...to, ...(exclude !== undefined && { exclude }) }
    // The empty user stands for everyone without a name: no address.
    if (whom.user === '' || (whom.client !== undefined && whom.client === exclude)) return
    this.#tell(trace, channel, true)
    if (!live?.publishTo(whom, line)) this.#bus.send(channel, whom, line, trace)
  }

  announce(channel: string, kind: 'join' | 'leave', info: ClientInfo): void {
    this.#toAll(channel, kind === 'join' ? pushJoin(channel, info) : pushLeave(channel, info))
  }

  #toAll(channel: string, line: string, trace?: string): void {
    // First to the bus: its call to Redis then leaves before this node's own writes to hundreds of sockets.
    this.#bus.send(channel, 'all', line, trace)
    this.#channels.get(channel)?.publish(line)
    this.#tell(trace, channel)
  }

  #tell(trace: string | undefined, channel: string, addressed = false): void {
    const live = trace === undefined ? undefined : this.#channels.get(channel)
    if (live) fannedOut(trace, { channel, tier: 'realtime', subscribers: live.size, addressed })
  }

  async #publishOnce(
    channel: string,
    line: string,
    idempotencyKey: string,
    trace: string | undefined,
  ): Promise<undefined> {
    // This node's subscribers get it by the answer, whatever that is, and not again by the bus.
    const mark = this.#marks.next()
    this.#marks.giveUp(mark)
    const span = trace === undefined ? undefined : busSpan(trace, channel)
    const message = { channel, line, idempotencyKey, mark, trace: span?.traceparent }
    const fate = await publishOnce(this.#link, this.#keys, message)
    span?.end(fate === 'published' || fate === 'known' ? undefined : fate)
    const live = this.#channels.get(channel)
    if (!live || fate === 'known' || fate === 'unsent') this.#marks.forget(mark)
    if (fate === 'published' || fate === 'doubtful') {
      live?.publish(line)
      this.#tell(trace, channel)
    }
    if (fate === 'unsent') this.#toAll(channel, line, trace)
    if (fate === 'unsent' || fate === 'doubtful') this.#known.add(channel, idempotencyKey)
  }
}
