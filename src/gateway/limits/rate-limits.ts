import { HoldfastError, namespaceOf } from '../../domain/index.ts'
import type { LimitCounts, LimitName } from '../limit-counts.ts'
import { KeyedBuckets } from './keyed-buckets.ts'
import { type Pace, paceOf, type Rate } from './token-bucket.ts'

export interface RateLimitOptions {
  readonly rates: {
    readonly connectionFrames: Rate
    readonly connectionCommands: Rate
    readonly connectionPublications: Rate
    readonly userCommands: Rate
    readonly userPublications: Rate
  }
  readonly maxChannelsPerConnection: number
  readonly namespaces: Readonly<Record<string, { readonly publicationRate: Rate }>>
}

/** How often a connection may be refused, as a multiple of what it may do, before it is ended. */
const patience = 10

/** What clients may do how often, on one node: the paces of connections, and the buckets of users and channels. */
export class RateLimits {
  readonly counts: LimitCounts
  readonly frames: Pace | undefined
  readonly commands: Pace | undefined
  readonly publications: Pace | undefined
  /**
   * Every client that comes back subscribes to all its channels at once, so that many are on top of the burst; from
   * then on as often as other commands.
   */
  readonly subscriptions: Pace | undefined
  readonly refusals: Pace | undefined
  readonly #users: {
    readonly commands: KeyedBuckets | undefined
    readonly publications: KeyedBuckets | undefined
  }
  readonly #channels = new Map<string, KeyedBuckets>()

  constructor({ rates, maxChannelsPerConnection, namespaces }: RateLimitOptions, counts: LimitCounts) {
    this.counts = counts
    this.frames = paceOf(rates.connectionFrames)
    this.commands = paceOf(rates.connectionCommands)
    this.publications = paceOf(rates.connectionPublications)
    this.subscriptions = widened(rates.connectionCommands, burst => burst + maxChannelsPerConnection)
    const asked = this.commands ?? this.publications
    this.refusals =
      asked && paceOf({ perSecond: asked.perMs * 1000 * patience, burst: asked.burst * patience })
    this.#users = { commands: keyed(rates.userCommands), publications: keyed(rates.userPublications) }
    for (const [name, { publicationRate }] of Object.entries(namespaces)) {
      const buckets = keyed(publicationRate)
      if (buckets) this.#channels.set(name, buckets)
    }
  }

  /** Takes what a command of a user's costs, over all connections of the user; the name of the limit that it meets. */
  user(user: string, publication: boolean, now: number): LimitName | undefined {
    // Anonymous clients are strangers to each other, and must not share one limit.
    if (user === '') return undefined
    const commands = this.#users.commands?.of(user, now)
    if (commands?.has(now) === false) return 'user_commands'
    if (publication && this.#users.publications?.of(user, now).tryTake(now) === false)
      return 'user_publications'
    commands?.take()
    return undefined
  }

  /**
   * Takes what one publication into a channel costs. Only for who may publish there: others could else keep the room
   * silent.
   * @throws HoldfastError RATE_LIMITED
   */
  channel(channel: string, now: number): void {
    const buckets = this.#channels.get(namespaceOf(channel))
    if (!buckets || buckets.of(channel, now).tryTake(now)) return
    this.counts.add('channel_publications')
    const told = 'publications in this channel'
    throw new HoldfastError('RATE_LIMITED', `${told}: ${channel}`, { details: { told } })
  }
}

function keyed(rate: Rate): KeyedBuckets | undefined {
  const pace = paceOf(rate)
  return pace && new KeyedBuckets(pace)
}

function widened(rate: Rate, widen: (burst: number) => number): Pace | undefined {
  const pace = paceOf(rate)
  return pace && paceOf({ perSecond: rate.perSecond, burst: widen(pace.burst) })
}
