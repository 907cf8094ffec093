import { HoldfastError } from '../domain/index.ts'
import type { Logger } from './logger.ts'
import { isDenied, type PubSubVerbs, plainVerbs } from './pubsub-verbs.ts'
import { connectRedis, type Redis } from './redis.ts'
import type { RedisTarget } from './redis-target.ts'

export type MessageHandler = (payload: Buffer) => void

export interface PubSubTimings {
  /** How long a channel stays subscribed after its last user left, in case one comes back. */
  readonly lingerMs: number
  /** A half-open subscriber looks `ready` for ever; an answered PING is the only proof of life. */
  readonly pingEveryMs: number
}

const defaults: PubSubTimings = { lingerMs: 1_000, pingEveryMs: 2_000 }

interface Channel {
  handler: MessageHandler
  /** Redis has confirmed it on the present connection. */
  confirmed: boolean
  /** The SUBSCRIBE under way on the present connection. */
  asking: Promise<void> | undefined
  removal: NodeJS.Timeout | undefined
}

/** What a node does with Pub/Sub, over one connection or over several. */
export type Subscriptions = Pick<
  PubSub,
  | 'ready'
  | 'connection'
  | 'onReconnect'
  | 'onLost'
  | 'subscribe'
  | 'unsubscribe'
  | 'barrier'
  | 'renew'
  | 'close'
>

/**
 * Redis Pub/Sub on a connection of its own, at most once. A subscription is wanted until it is given up: after
 * every reconnect all wanted channels are subscribed again before `onReconnect` listeners hear of it; what was
 * published in between is lost, and catching up is the listener's care. Handlers get messages in order and must
 * not throw.
 */
export class PubSub {
  readonly #redis: Redis
  readonly #verbs: PubSubVerbs
  readonly #logger: Logger | undefined
  readonly #timings: PubSubTimings
  readonly #wanted = new Map<string, Channel>()
  readonly #reconnected = new Set<(subscribedAgain: number) => void>()
  readonly #lost = new Set<() => void>()
  readonly #ping: NodeJS.Timeout
  /** Counts lost connections, so that an answer of an old one changes nothing about the present one. */
  #connection = 0
  #batch: { names: string[]; done: Promise<void> } | undefined
  #barrier: Promise<void> | undefined
  #ready = false
  #toldDenied = false
  #closed = false

  /** @param source where Redis is, or a connection with the settings of a subscriber */
  constructor(
    source: Exclude<RedisTarget, { cluster: unknown }> | Redis,
    name: string,
    logger?: Logger,
    timings: Partial<PubSubTimings> = {},
    verbs: PubSubVerbs = plainVerbs,
  ) {
    this.#logger = logger
    this.#timings = { ...defaults, ...timings }
    this.#verbs = verbs
    this.#redis =
      typeof source === 'object' && 'duplicate' in source
        ? source
        : connectRedis(source, 'subscriber', name, logger)
    this.#redis.on(verbs.event, (channel: Buffer, payload: Buffer) => {
      this.#wanted.get(channel.toString('latin1'))?.handler(payload)
    })
    this.#redis.on('ready', () => void this.#resubscribe())
    this.#redis.on('close', () => this.#disconnected())
    this.#ping = setInterval(() => {
      if (this.#redis.status === 'ready') this.barrier().catch(() => undefined)
    }, this.#timings.pingEveryMs)
    this.#ping.unref()
  }

  /** Whether the connection is up and every wanted channel was subscribed again after it came. */
  get ready(): boolean {
    return this.#ready
  }

  /** Another number than before: the connection was lost in between, and messages may be missing. */
  get connection(): number {
    return this.#connection
  }

  /**
   * Called each time a connection is up, the first included, and all channels wanted by then are subscribed on it; hears
   * how many of them had been before.
   */
  onReconnect(listener: (subscribedAgain: number) => void): () => void {
    this.#reconnected.add(listener)
    return () => this.#reconnected.delete(listener)
  }

  /** Called when a connection that was ready is gone: from here on messages may be missed. */
  onLost(listener: () => void): () => void {
    this.#lost.add(listener)
    return () => this.#lost.delete(listener)
  }

  /**
   * Resolves when Redis has confirmed: everything published from then on reaches the handler while the
   * connection lasts. A rejected call still leaves the channel wanted: it is subscribed when Redis is back.
   * A second call for the same name replaces the handler.
   * @throws HoldfastError DEPENDENCY_REJECTED at once where there is no connection; DEPENDENCY_FAILED
   */
  subscribe(name: string, handler: MessageHandler): Promise<void> {
    let channel = this.#wanted.get(name)
    if (channel) {
      clearTimeout(channel.removal)
      channel.removal = undefined
      channel.handler = handler
    } else {
      channel = { handler, confirmed: false, asking: undefined, removal: undefined }
      this.#wanted.set(name, channel)
    }
    if (channel.confirmed) return Promise.resolve()
    if (this.#redis.status !== 'ready') return Promise.reject(notConnected())
    channel.asking ??= this.#askSoon(name)
    const { asking } = channel
    return asking.then(() => {
      if (!channel.confirmed) throw new HoldfastError('DEPENDENCY_FAILED', 'redis denies the channel')
    })
  }

  /** Gives a channel up; Redis hears of it a little later, if nobody has come back by then. */
  unsubscribe(name: string): void {
    const channel = this.#wanted.get(name)
    if (!channel || channel.removal || this.#closed) return
    channel.removal = setTimeout(() => {
      this.#wanted.delete(name)
      this.#giveUp(name)
    }, this.#timings.lingerMs)
    channel.removal.unref()
  }

  /** Gives a channel up at once: another connection takes its place. */
  drop(name: string): void {
    clearTimeout(this.#wanted.get(name)?.removal)
    if (this.#wanted.delete(name)) this.#giveUp(name)
  }

  /** Nothing is known of the subscriptions any more, although the connection stands: `askAgain` makes them anew. */
  suspect(): void {
    this.#disconnected()
  }

  /** Subscribes everything that is wanted; whether all of it is confirmed. */
  async askAgain(): Promise<boolean> {
    if (this.#redis.status === 'ready' && !this.#ready) await this.#resubscribe()
    return this.#ready
  }

  /**
   * Resolves when everything that Redis took before this call has been given to the handlers: an answer stands
   * behind all messages before it on the same connection.
   * @throws HoldfastError DEPENDENCY_REJECTED at once where there is no connection; DEPENDENCY_FAILED
   */
  barrier(): Promise<void> {
    if (this.#redis.status !== 'ready') return Promise.reject(notConnected())
    this.#barrier ??= Promise.resolve().then(async () => {
      this.#barrier = undefined
      const connection = this.#connection
      try {
        await this.#redis.ping()
      } catch (cause) {
        // A Redis that can't save refuses even PING. An error is an answer all the same, and stands where one stands.
        if (cause instanceof Error && cause.name === 'ReplyError') return
        throw this.#failed('redis pub/sub did not answer', connection, cause)
      }
    })
    return this.#barrier
  }

  /** Makes the connection anew: it is known from elsewhere that nothing arrives on it. */
  renew(reason: string): void {
    if (this.#closed || this.#redis.status !== 'ready') return
    this.#logger?.warn({ reason }, 'redis pub/sub is connected anew')
    this.#disconnected()
    this.#redis.disconnect(true)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#ready = false
    clearInterval(this.#ping)
    for (const channel of this.#wanted.values()) clearTimeout(channel.removal)
    this.#redis.disconnect()
  }

  #giveUp(name: string): void {
    if (this.#redis.status === 'ready') this.#verbs.giveUp(this.#redis, name).catch(() => undefined)
  }

  /** Subscriptions asked for in one turn of the event loop go out as one command. */
  #askSoon(name: string): Promise<void> {
    if (this.#batch) {
      this.#batch.names.push(name)
      return this.#batch.done
    }
    const names = [name]
    const done = Promise.resolve().then(() => {
      this.#batch = undefined
      return this.#ask(names)
    })
    // Whoever asked hears of a failure; a promise that only stands in the map must not end the process.
    done.catch(() => undefined)
    this.#batch = { names, done }
    return done
  }

  async #ask(names: readonly string[]): Promise<void> {
    const connection = this.#connection
    const channels = names.map(name => this.#wanted.get(name))
    let refused: ReadonlyMap<string, Error>
    try {
      refused = await this.#verbs.ask(this.#redis, names)
    } catch (cause) {
      throw this.#failed('redis did not confirm a subscription', connection, cause)
    }
    if (connection !== this.#connection) throw notConnected()
    for (const [i, channel] of channels.entries()) {
      if (!channel) continue
      channel.confirmed = !refused.has(names[i] ?? '')
      channel.asking = undefined
    }
    const denied = [...refused].find(([, error]) => isDenied(error))
    if (denied) this.#tellDenied(...denied)
    if ([...refused.values()].every(isDenied)) return
    this.#lose()
    throw new HoldfastError('DEPENDENCY_FAILED', 'another redis serves the channel, or none does')
  }

  /** Asking again would be answered in the same way, and all others would go without meanwhile. */
  #tellDenied(name: string, err: Error): void {
    if (!this.#toldDenied) this.#logger?.warn({ err, channel: name }, 'redis denies a pub/sub channel (ACL)')
    this.#toldDenied = true
  }

  async #resubscribe(): Promise<void> {
    const connection = this.#connection
    const names = [...this.#wanted.keys()]
    try {
      if (names.length > 0) {
        const asked = this.#ask(names)
        for (const channel of this.#wanted.values()) channel.asking = asked
        await asked
      }
    } catch (error) {
      this.#logger?.debug({ err: error }, 'could not subscribe again after a reconnect; trying again')
      return
    }
    if (connection !== this.#connection || this.#closed) return
    this.#ready = true
    for (const listener of this.#reconnected) listener(connection > 0 ? names.length : 0)
  }

  /** An unanswered command means that messages may be missing too: the connection is made anew. */
  #failed(message: string, connection: number, cause: unknown): HoldfastError {
    if (connection === this.#connection && !this.#closed) {
      this.#disconnected()
      this.#redis.disconnect(true)
    }
    return new HoldfastError('DEPENDENCY_FAILED', message, { cause })
  }

  #disconnected(): void {
    this.#connection++
    for (const channel of this.#wanted.values()) {
      channel.confirmed = false
      channel.asking = undefined
    }
    this.#lose()
  }

  #lose(): void {
    if (!this.#ready) return
    this.#ready = false
    for (const listener of this.#lost) listener()
  }
}

function notConnected(): HoldfastError {
  return new HoldfastError('DEPENDENCY_REJECTED', 'redis pub/sub is not connected')
}
