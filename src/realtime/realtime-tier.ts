import { type ClientInfo, HoldfastError, type NamespaceOptions, type Position } from '../domain/index.ts'
import type { HistoryPage, HistoryRequest, Subscription } from '../hub/index.ts'
import {
  ForeignMessages,
  isCluster,
  type Logger,
  type PubSubTimings,
  type RedisTarget,
} from '../platform/index.ts'
import type { Breakers } from '../resilience/index.ts'
import { Bus } from './bus.ts'
import { BusControl } from './control.ts'
import { GapFill } from './gap-fill.ts'
import { History } from './history.ts'
import { Keys } from './keys.ts'
import { KnownKeys } from './known-keys.ts'
import { LiveChannels } from './live-channels.ts'
import { Marks } from './marks.ts'
import { Numbering } from './numbering.ts'
import { publishMemoryMs } from './once.ts'
import { PositionWatch } from './position-watch.ts'
import { type PresenceTimings, RedisPresence } from './presence.ts'
import { Publisher } from './publisher.ts'
import { RedisLink } from './redis-link.ts'
import { ShardedKeys } from './sharded-keys.ts'
import { Subscriber } from './subscriber.ts'
import type {
  Control,
  Presence,
  RealtimeCounts,
  RealtimePublish,
  RealtimeSubscribe,
  RealtimeTier,
  Signal,
} from './tier.ts'

export interface RealtimeTimings extends PresenceTimings {
  /** A call to Redis without an answer for so long means that Redis is away. */
  readonly deadlineMs: number
  /** An answer that takes longer is not waited for where clients of this node would. */
  readonly promptMs?: number
  /** How long `subscribe` waits for the bus to confirm before it goes on with this node only. */
  readonly confirmMs: number
  /** How long the start waits for Redis before it goes on without. */
  readonly startMs: number
  /** The places of quiet channels are compared with Redis this often. */
  readonly positionCheckMs: number
  readonly pubsub: Partial<PubSubTimings>
}

export interface RealtimeTierOptions {
  /** Without one this node is alone: everything is delivered on it, and there is no history. */
  readonly redis: RedisTarget | undefined
  /** In front of every key and bus channel. */
  readonly prefix: string
  /** Letters, digits, `.`, `_` or `-`; different on every node. */
  readonly nodeId: string
  readonly logger: Logger
  /** Where messages of other releases are counted. */
  readonly foreign?: ForeignMessages
  /** Where the breaker of the bus is seen and held. */
  readonly breakers?: Breakers
  readonly timings?: Partial<RealtimeTimings>
}

const defaults: RealtimeTimings = {
  deadlineMs: 800,
  confirmMs: 1_000,
  startMs: 2_000,
  positionCheckMs: 25_000,
  presenceTtlMs: 60_000,
  presenceRefreshMs: 25_000,
  pubsub: {},
}

/**
 * Starts the lossy tier. Waits a little for Redis, and goes on without it where it does not come; it joins the
 * other nodes whenever it does.
 * @throws HoldfastError CONFIG_INVALID for a node id that can't travel in a header
 */
export async function createRealtimeTier(options: RealtimeTierOptions): Promise<RealtimeTier> {
  const { redis, prefix, nodeId, logger, breakers, foreign = new ForeignMessages(logger) } = options
  if (!/^[\w.-]{1,64}$/.test(nodeId) || nodeId === '-') {
    throw new HoldfastError(
      'CONFIG_INVALID',
      `expected a node id of letters, digits, . _ or -, got ${nodeId}`,
    )
  }
  const timings = { ...defaults, ...options.timings }
  const { deadlineMs, promptMs, pubsub } = timings
  const keys = isCluster(redis) ? new ShardedKeys(prefix) : new Keys(prefix)
  const loopBacks = keys.loopBacks(nodeId)
  const link = redis
    ? new RedisLink({ target: redis, nodeId, loopBacks, deadlineMs, promptMs, logger, pubsub, breakers })
    : undefined
  const tier = new RedisRealtimeTier(link, keys, nodeId, logger, timings, foreign)
  await tier.start(timings.startMs)
  return tier
}

class RedisRealtimeTier implements RealtimeTier {
  readonly presence: Presence
  readonly control: Control
  readonly #link: RedisLink | undefined
  readonly #bus: Bus
  readonly #channels: LiveChannels
  readonly #history: History
  readonly #subscriber: Subscriber
  readonly #publisher: Publisher
  readonly #numbering: Numbering | undefined
  readonly #redisPresence: RedisPresence
  readonly #busControl: BusControl
  readonly #watch: PositionWatch | undefined
  #closing: Promise<void> | undefined

  constructor(
    link: RedisLink | undefined,
    keys: Keys,
    node: string,
    logger: Logger,
    timings: RealtimeTimings,
    foreign: ForeignMessages,
  ) {
    this.#link = link
    this.#bus = new Bus({ link, node, keys, foreign, confirmMs: timings.confirmMs })
    const marks = new Marks()
    const known = new KnownKeys(publishMemoryMs)
    this.#channels = new LiveChannels(this.#bus, marks, channel => this.#watch?.suspect(channel))
    this.#history = new History(link, keys)
    const common = { channels: this.#channels, bus: this.#bus, marks, known, keys }
    const gapFill = new GapFill(this.#history, channel => this.#numbering?.numbers(channel) ?? false)
    this.#numbering = link && new Numbering({ ...common, link, gapFill, node, logger })
    this.#subscriber = new Subscriber(this.#channels, this.#history, link, this.#numbering)
    this.#publisher = new Publisher({ ...common, link, numbering: this.#numbering })
    this.#redisPresence = new RedisPresence(link, keys, timings)
    this.#busControl = new BusControl(this.#bus, node, logger)
    this.#watch =
      link &&
      new PositionWatch({
        channels: this.#channels,
        history: this.#history,
        link,
        gapFill,
        settled: () => this.#numbering?.active === true,
        everyMs: timings.positionCheckMs,
      })
    this.#numbering?.onResumed(() => this.#watch?.compareAll())
    this.presence = this.#redisPresence
    this.control = this.#busControl
  }

  async start(waitMs: number): Promise<void> {
    await this.#link?.started(waitMs)
    await this.#busControl.start()
  }

  get connected(): boolean {
    return this.#link?.connected ?? false
  }

  get losses(): number {
    return this.#link?.losses ?? 0
  }

  get numbering(): boolean {
    return this.#numbering?.active ?? false
  }

  get counts(): RealtimeCounts {
    return {
      dropped: this.#bus.dropped,
      unnumbered: this.#numbering?.published ?? 0,
      loop: this.#link?.loop ?? { losses: 0, resubscribed: 0 },
      busLatency: this.#channels.busLatency,
    }
  }

  async subscribe(request: RealtimeSubscribe): Promise<Subscription> {
    this.#checkOpen()
    return this.#subscriber.subscribe(request)
  }

  unsubscribe(channel: string, client: string): void {
    this.#channels.get(channel)?.remove(client)
  }

  publish(publication: RealtimePublish): Promise<Position | undefined> {
    return this.#publisher.publish(publication)
  }

  signal(signal: Signal): void {
    this.#publisher.signal(signal)
  }

  announce(channel: string, kind: 'join' | 'leave', info: ClientInfo): void {
    this.#publisher.announce(channel, kind, info)
  }

  async history(request: HistoryRequest, options: NamespaceOptions): Promise<HistoryPage> {
    return this.#history.page(request, options)
  }

  channels(): ReadonlyMap<string, number> {
    return this.#channels.sizes()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#watch?.close()
    await Promise.all([this.#redisPresence.close(), this.#numbering?.close()])
    await this.#bus.flush()
    await this.#link?.close()
  }

  #checkOpen(): void {
    if (this.#closing) throw new HoldfastError('SHUTTING_DOWN', 'the node is stopping')
  }
}
