import type { Centrifuge, Subscription as SdkSubscription, SubscriptionOptions } from 'centrifuge'
import { clientError, codes, HoldfastClientError } from './errors.ts'
import type { Place } from './follower.ts'
import { received } from './received.ts'
import type { TimedPublication } from './sdk.ts'
import type { ClientInfo, Received } from './types.ts'

/** Where the server says that the channel is. */
export interface Answer {
  readonly position: Place | undefined
  readonly recovered: boolean
  /** The place that was asked for: by this reader, or by another one that came with it. */
  readonly since: Place | undefined
  /** The reader came when the answer was there already: the position is what was heard of last. */
  readonly late: boolean
  /** Of the server's reply. */
  readonly data: unknown
}

/** Somebody who follows the channel. */
export interface Reader {
  readonly subscribed: (answer: Answer) => void
  readonly publication: (event: Received) => void
  readonly joined: (info: ClientInfo) => void
  readonly left: (info: ClientInfo) => void
  /** Subscribing has failed for now, and is tried again. */
  readonly failed: (error: HoldfastClientError) => void
  /** The server's final word. */
  readonly ended: (why: HoldfastClientError) => void
  /** No answer any more: the connection was lost, or is being made. */
  readonly waiting: () => void
}

/** How the channel is asked for. Of several readers the first one's token and data count. */
export interface Wish {
  readonly since: Place | 'start' | undefined
  readonly token: string | undefined
  readonly getToken: ((context: { channel: string }) => Promise<string>) | undefined
  readonly data: unknown
}

export interface Seat {
  readonly state: 'subscribing' | 'subscribed' | 'unsubscribed'
  /** Where the channel stood when it was heard of last; undefined before the first answer, and without numbers. */
  readonly position: Place | undefined
  /** Resolves when the server has answered. */
  ready(): Promise<void>
  leave(): void
}

/**
 * The one subscription that a client may have of a channel, shared by all who read it. It is made at the end of the
 * task in which the first reader comes, so that those who come together begin together, and ends with the last.
 */
export class Feed {
  readonly #sdk: Centrifuge
  readonly #channel: string
  readonly #onEmpty: () => void
  readonly #wishes: Wish[] = []
  readonly #readers = new Set<Reader>()
  #sub: SdkSubscription | undefined
  #opened: Promise<void> | undefined
  #position: Place | undefined
  #answer: Answer | undefined
  #over = false

  constructor(sdk: Centrifuge, channel: string, onEmpty: () => void) {
    this.#sdk = sdk
    this.#channel = channel
    this.#onEmpty = onEmpty
  }

  join(wish: Wish, reader: Reader): Seat {
    this.#readers.add(reader)
    if (!this.#sub) this.#wishes.push(wish)
    this.#opened ??= Promise.resolve().then(() => this.#open())
    // Those who come later are told in a task of their own too: nothing is called before `join` has returned.
    if (this.#answer) {
      queueMicrotask(() => {
        if (!this.#answer || !this.#readers.has(reader)) return
        reader.subscribed({ ...this.#answer, position: this.#position, late: true })
      })
    }
    const feed = this
    return {
      get state() {
        return feed.#stateOf(reader)
      },
      get position() {
        return feed.#position
      },
      async ready() {
        await feed.#opened
        if (feed.#stateOf(reader) === 'unsubscribed') throw notSubscribed(feed.#channel)
        await feed.#sub?.ready().catch(thrown => {
          throw clientError(thrown)
        })
      },
      leave: () => this.#leave(reader),
    }
  }

  #stateOf(reader: Reader): Seat['state'] {
    if (!this.#readers.has(reader)) return 'unsubscribed'
    return this.#sub?.state ?? 'subscribing'
  }

  #open(): void {
    if (this.#over) return
    const first = lowest(this.#wishes)
    const sub = this.#make(first)
    if (!sub) return
    this.#sub = sub
    sub.on('subscribed', ({ streamPosition, recovered, data }) => {
      // After a lost connection the SDK asks for what follows the last that came.
      const since = this.#position ?? first
      this.#position = streamPosition
      const answer = { position: streamPosition, recovered, since, late: false, data }
      this.#answer = answer
      this.#tell(reader => reader.subscribed(answer))
    })
    sub.on('subscribing', () => {
      this.#answer = undefined
      this.#tell(reader => reader.waiting())
    })
    sub.on('publication', (context: TimedPublication) => {
      const event = received(context)
      if (this.#position && (event.offset ?? 0) > this.#position.offset)
        this.#position = { epoch: this.#position.epoch, offset: event.offset ?? 0 }
      this.#tell(reader => reader.publication(event))
    })
    sub.on('join', ({ info }) => this.#tell(reader => reader.joined(info)))
    sub.on('leave', ({ info }) => this.#tell(reader => reader.left(info)))
    sub.on('error', ({ error }) => this.#tell(reader => reader.failed(clientError(error))))
    sub.on('unsubscribed', ({ code, reason }) => {
      if (!this.#over) this.#endAll(new HoldfastClientError(endOf(code), reason))
    })
    sub.subscribe()
  }

  /** The application may have subscribed with the SDK itself since the first reader came. */
  #make(since: Place | undefined): SdkSubscription | undefined {
    try {
      return this.#sdk.newSubscription(this.#channel, wishesOf(this.#wishes, since))
    } catch (thrown) {
      const taken = this.#sdk.getSubscription(this.#channel) !== null
      const bad = () => new HoldfastClientError(codes.badRequest, String(thrown), { cause: thrown })
      this.#endAll(taken ? alreadySubscribed(this.#channel) : bad())
      return undefined
    }
  }

  #endAll(why: HoldfastClientError): void {
    this.#end()
    const readers = [...this.#readers]
    this.#readers.clear()
    for (const reader of readers) reader.ended(why)
  }

  /** A reader that leaves, or comes, meanwhile is not told. */
  #tell(act: (reader: Reader) => void): void {
    if (this.#readers.size === 1) {
      for (const reader of this.#readers) act(reader)
      return
    }
    for (const reader of [...this.#readers]) if (this.#readers.has(reader)) act(reader)
  }

  #leave(reader: Reader): void {
    if (!this.#readers.delete(reader) || this.#readers.size > 0) return
    this.#end()
  }

  /** Whoever comes from now on begins with a feed of its own. */
  #end(): void {
    this.#over = true
    this.#answer = undefined
    this.#onEmpty()
    if (this.#sub) this.#sdk.removeSubscription(this.#sub)
  }
}

/** The feeds of one client. */
export class Feeds {
  readonly #sdk: Centrifuge
  readonly #feeds = new Map<string, Feed>()

  constructor(sdk: Centrifuge) {
    this.#sdk = sdk
  }

  /** @throws HoldfastClientError `alreadySubscribed` where the application has subscribed with the SDK itself */
  join(channel: string, wish: Wish, reader: Reader): Seat {
    const found = this.#feeds.get(channel)
    if (found) return found.join(wish, reader)
    if (this.#sdk.getSubscription(channel)) {
      throw alreadySubscribed(channel)
    }
    const feed: Feed = new Feed(this.#sdk, channel, () => {
      if (this.#feeds.get(channel) === feed) this.#feeds.delete(channel)
    })
    this.#feeds.set(channel, feed)
    return feed.join(wish, reader)
  }
}

/** From the lowest place on: who began higher passes over what is not for it. */
function lowest(wishes: readonly Wish[]): Place | undefined {
  const places = wishes.flatMap(({ since }) => (since === undefined ? [] : [placeOf(since)]))
  return places.reduce<Place | undefined>(
    (low, each) => (low && low.offset <= each.offset ? low : each),
    undefined,
  )
}

function wishesOf(wishes: readonly Wish[], since: Place | undefined): Partial<SubscriptionOptions> {
  const token = wishes.find(each => each.token !== undefined)?.token
  const getToken = wishes.find(each => each.getToken)?.getToken
  const data = wishes.find(each => each.data !== undefined)?.data
  return {
    // A wish: a channel whose namespace keeps nothing is subscribed to all the same.
    recoverable: true,
    joinLeave: true,
    ...(since && { since }),
    ...(token !== undefined && { token }),
    ...(getToken && { getToken }),
    ...(data !== undefined && { data }),
  }
}

const placeOf = (since: Place | 'start'): Place => (since === 'start' ? { offset: 0, epoch: '' } : since)

/** The SDK numbers the ends of subscriptions that are its own from 0, and among its errors those numbers say others. */
function endOf(code: number): number {
  if (code >= codes.internal) return code
  return code === sdkUnauthorized ? codes.unauthorized : codes.disconnected
}

const sdkUnauthorized = 1

function alreadySubscribed(channel: string): HoldfastClientError {
  const message = `${channel} is subscribed to with the SDK underneath already`
  return new HoldfastClientError(codes.alreadySubscribed, message)
}

function notSubscribed(channel: string): HoldfastClientError {
  return new HoldfastClientError(codes.disconnected, `${channel} is not subscribed`)
}
