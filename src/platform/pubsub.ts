import { HoldfastError } from '../domain/index.ts'
import type { Logger } from './logger.ts'
import { connectRedis, type Redis } from './redis.ts'

export type MessageHandler = (payload: Buffer) => void

interface Channel {
  handler: MessageHandler
  /** The SUBSCRIBE under way or done on the present connection; undefined when it must be made again. */
  confirmed: Promise<void> | undefined
  removal: NodeJS.Timeout | undefined
}

/** How long a channel stays subscribed after its last user left, in case one comes back. */
const lingerMs = 1_000
/** A half-open subscriber looks `ready` for ever; an answered PING is the only proof of life. */
const pingEveryMs = 3_000
const resubscribeBatch = 512

/**
 * Redis Pub/Sub on a connection of its own, at most once. A subscription is wanted until it is given up: after
 * every reconnect all wanted channels are subscribed again before `onReconnect` listeners hear of it; what was
 * published in between is lost, and catching up is the listener's care. Handlers get messages in order and must
 * not throw.
 */
export class PubSub {
  readonly #redis: Redis
  readonly #logger: Logger | undefined
  readonly #wanted = new Map<string, Channel>()
  readonly #reconnected = new Set<() => void>()
  readonly #ping: NodeJS.Timeout
  #batch: { names: string[]; done: Promise<void> } | undefined
  #ready = false
  #everReady = false
  #closed = false

  constructor(url: string, name: string, logger?: Logger) {
    this.#logger = logger
    this.#redis = connectRedis(url, 'subscriber', name, logger)
    this.#redis.on('messageBuffer', (channel: Buffer, payload: Buffer) => {
      this.#wanted.get(channel.toString())?.handler(payload)
    })
    this.#redis.on('ready', () => void this.#resubscribe())
    this.#redis.on('close', () => {
      this.#ready = false
      for (const channel of this.#wanted.values()) channel.confirmed = undefined
    })
    this.#ping = setInterval(() => {
      if (this.#ready) this.#redis.ping().catch(() => this.#redis.disconnect(true))
    }, pingEveryMs)
    this.#ping.unref()
  }

  /** Whether the connection is up and every wanted channel is subscribed. */
  get ready(): boolean {
    return this.#ready
  }

  /** Called each time a lost connection is back and all channels are subscribed again. */
  onReconnect(listener: () => void): () => void {
    this.#reconnected.add(listener)
    return () => this.#reconnected.delete(listener)
  }

  /**
   * Resolves when Redis has confirmed: everything published from then on reaches the handler while the
   * connection lasts. A rejected call still leaves the channel wanted: it is subscribed when Redis is back.
   * @throws HoldfastError DEPENDENCY_REJECTED at once where there is no connection
   */
  subscribe(name: string, handler: MessageHandler): Promise<void> {
    let channel = this.#wanted.get(name)
    if (channel) {
      clearTimeout(channel.removal)
      channel.removal = undefined
      channel.handler = handler
    } else {
      channel = { handler, confirmed: undefined, removal: undefined }
      this.#wanted.set(name, channel)
    }
    if (this.#redis.status !== 'ready') {
      return Promise.reject(new HoldfastError('DEPENDENCY_REJECTED', 'redis pub/sub is not connected'))
    }
    channel.confirmed ??= this.#subscribeSoon(name)
    return channel.confirmed
  }

  /** Gives a channel up; Redis hears of it a little later, if nobody has come back by then. */
  unsubscribe(name: string): void {
    const channel = this.#wanted.get(name)
    if (!channel || channel.removal || this.#closed) return
    channel.removal = setTimeout(() => {
      this.#wanted.delete(name)
      if (this.#redis.status === 'ready') this.#redis.unsubscribe(name).catch(() => undefined)
    }, lingerMs)
    channel.removal.unref()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#ping)
    for (const channel of this.#wanted.values()) clearTimeout(channel.removal)
    this.#redis.disconnect()
  }

  /** Subscriptions asked for in one turn of the event loop go out as one command. */
  #subscribeSoon(name: string): Promise<void> {
    if (this.#batch) {
      this.#batch.names.push(name)
      return this.#batch.done
    }
    const names = [name]
    const done = Promise.resolve().then(async () => {
      this.#batch = undefined
      try {
        await this.#redis.subscribe(...names)
      } catch (cause) {
        for (const each of names) {
          const channel = this.#wanted.get(each)
          if (channel) channel.confirmed = undefined
        }
        throw new HoldfastError('DEPENDENCY_FAILED', 'redis did not confirm a subscription', { cause })
      }
    })
    this.#batch = { names, done }
    return done
  }

  async #resubscribe(): Promise<void> {
    try {
      const names = [...this.#wanted.keys()]
      for (let i = 0; i < names.length; i += resubscribeBatch) {
        const part = names.slice(i, i + resubscribeBatch)
        await this.#redis.subscribe(...part)
        for (const name of part) {
          const channel = this.#wanted.get(name)
          if (channel) channel.confirmed ??= Promise.resolve()
        }
      }
      this.#ready = true
      const again = this.#everReady
      this.#everReady = true
      if (again || names.length > 0) for (const listener of this.#reconnected) listener()
    } catch (error) {
      this.#logger?.warn({ err: error }, 'could not subscribe again after a reconnect; reconnecting')
      if (!this.#closed) this.#redis.disconnect(true)
    }
  }
}
