import type { ClientInfo, Position } from '../domain/index.ts'
import { encodePublication, pushJoin, pushLeave, pushPublication } from '../protocol/index.ts'
import type { Bus } from './bus.ts'
import type { Whom } from './envelope.ts'
import type { History } from './history.ts'
import type { Keys } from './keys.ts'
import type { LiveChannels } from './live-channels.ts'
import { publishOnce } from './once.ts'
import type { RedisLink } from './redis-link.ts'
import type { RealtimePublish, Signal } from './tier.ts'

const accepted: Promise<undefined> = Promise.resolve(undefined)

/**
 * Three ways to publish. Plain: to this node's subscribers at once, to the others over the bus. Numbered, where the
 * channel keeps a history: Redis decides the order, so all subscribers get it over the bus, also those of this
 * node. Once, with an idempotency key: Redis decides whether. While Redis is known to be away all three deliver on
 * this node only, without a number: what has no offset leaves a client's place where it is.
 */
export class Publisher {
  readonly #channels: LiveChannels
  readonly #bus: Bus
  readonly #history: History
  readonly #link: RedisLink | undefined
  readonly #keys: Keys

  constructor(parts: {
    channels: LiveChannels
    bus: Bus
    history: History
    link: RedisLink | undefined
    keys: Keys
  }) {
    this.#channels = parts.channels
    this.#bus = parts.bus
    this.#history = parts.history
    this.#link = parts.link
    this.#keys = parts.keys
  }

  publish(publication: RealtimePublish): Promise<Position | undefined> {
    const { channel, data, info, tags, idempotencyKey } = publication
    if (publication.options.history.size > 0 && publication.skipHistory !== true)
      return this.#number(publication)
    const line = pushPublication(
      channel,
      encodePublication({ data, ...(info && { info }), ...(tags && { tags }) }),
    )
    if (idempotencyKey !== undefined) return this.#publishOnce(channel, line, idempotencyKey)
    this.#toAll(channel, line)
    return accepted
  }

  signal({ channel, data, info, to, exclude }: Signal): void {
    const line = pushPublication(channel, encodePublication({ data, ...(info && { info }) }))
    const live = this.#channels.get(channel)
    if (!to) {
      live?.publish(line, exclude)
      // Who is here is nowhere else, so the other nodes need not know of the exclusion and can batch.
      const elsewhere = exclude !== undefined && !live?.isHere(exclude)
      this.#bus.send(channel, elsewhere ? { exclude } : 'all', line)
      return
    }
    const whom: Whom = { ...to, ...(exclude !== undefined && { exclude }) }
    // The empty user stands for everyone without a name: no address.
    if (whom.user === '' || (whom.client !== undefined && whom.client === exclude)) return
    if (!live?.publishTo(whom, line)) this.#bus.send(channel, whom, line)
  }

  announce(channel: string, kind: 'join' | 'leave', info: ClientInfo): void {
    this.#toAll(channel, kind === 'join' ? pushJoin(channel, info) : pushLeave(channel, info))
  }

  #toAll(channel: string, line: string): void {
    // First to the bus: its call to Redis then leaves before this node's own writes to hundreds of sockets.
    this.#bus.send(channel, 'all', line)
    this.#channels.get(channel)?.publish(line)
  }

  async #number(publication: RealtimePublish): Promise<Position | undefined> {
    const place = await this.#history.append(publication)
    if (place !== 'unsent') return place
    const { channel, data, info, tags } = publication
    const encoded = encodePublication({
      data,
      ...(info && { info }),
      ...(tags && { tags }),
      time: Date.now(),
    })
    this.#channels.get(channel)?.publish(pushPublication(channel, encoded))
    return undefined
  }

  async #publishOnce(channel: string, line: string, idempotencyKey: string): Promise<undefined> {
    const outcome = await publishOnce(this.#link, this.#keys, { channel, line, idempotencyKey })
    if (outcome === 'unsent') this.#channels.get(channel)?.publish(line)
  }
}
