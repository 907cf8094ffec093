import type { Centrifuge } from 'centrifuge'
import type { Breath } from './breath.ts'
import { catchUp } from './catch-up.ts'
import type { Clock } from './clock.ts'
import { codes, HoldfastClientError } from './errors.ts'
import type { Answer, Feeds, Reader, Seat, Wish } from './feed.ts'
import { Follower, type Item, type Place } from './follower.ts'
import { Inbox } from './inbox.ts'
import { poisoned, tellReset } from './mishaps.ts'
import { askHead, knowsHead } from './placing.ts'
import type { Progress } from './progress.ts'
import { applicationData, type HistoryPage, readHistory } from './received.ts'
import { guard, type Report, reporter } from './report.ts'
import type { Gap, Received, SubscribeOptions, Subscription, SubscriptionProgress } from './types.ts'

const defaultMaxWaiting = 1_000
/** How many events a page of history asks for; the server gives fewer where it wants to. */
const pageSize = 500
/** Events kept for a reader that is not placed yet; what does not fit is read from the history. */
const maxEarly = 1_000

export interface SubscribeParts {
  readonly sdk: Centrifuge
  readonly feeds: Feeds
  readonly clock: Clock
  readonly report: Report
  readonly breath: Breath
  readonly progress: Progress
  /** Tells the client's listeners of a gap. False: it has none. */
  readonly onGap: (gap: Gap) => boolean
  /** The handler of an event, or of a reset, has ended: `ok` unless it threw. */
  readonly onHandled?: (place: Place, end: { readonly ok: boolean; readonly reset: boolean }) => void
}

/**
 * Subscribes: a reader of its own, with its own place and its own pace, of the client's one subscription to the channel.
 * @throws HoldfastClientError `alreadySubscribed`
 */
export function subscribe(
  channel: string,
  options: SubscribeOptions<Received>,
  parts: SubscribeParts,
): Subscription {
  return new ChannelReader(channel, options, parts)
}

class ChannelReader implements Subscription {
  readonly channel: string
  readonly #options: SubscribeOptions<Received>
  readonly #parts: SubscribeParts
  readonly #since: Place | 'start' | undefined
  readonly #report: Report
  readonly #guarded: (listener: () => unknown) => void
  readonly #follower: Follower<Received>
  readonly #inbox: Inbox<Item<Received>>
  readonly #readPast: () => void
  readonly #seat: Seat
  /** Last event whose handler has ended. */
  #position: Place | undefined
  /** Whether the handler at work has failed. */
  #failed = false
  /** The server has answered, and the answer still holds. */
  #answered = false
  /** Of a reader that is not placed yet: what has come meanwhile. */
  #early: Received[] | undefined
  /** The head as it was when this reader began: it replays until it is there. */
  #aim: number | undefined
  #over: HoldfastClientError | undefined
  #told: SubscriptionProgress = 'subscribing'

  constructor(channel: string, options: SubscribeOptions<Received>, parts: SubscribeParts) {
    this.channel = channel
    this.#options = options
    this.#parts = parts
    this.#since = placeOf(options.since)
    this.#report = reporter(options.onError, parts.report)
    this.#guarded = guard(this.#report)
    this.#follower = new Follower({ since: this.#since, afterReset: options.afterReset ?? 'head' })
    this.#inbox = new Inbox({
      capacity: options.maxWaiting ?? defaultMaxWaiting,
      breath: parts.breath,
      handle: item => this.#handle(item),
      onFailure: (error, item) => this.#handlerFailed(error, item),
      onHandled: item => this.#handled(item),
    })
    this.#readPast = catchUp({
      clock: parts.clock,
      follower: this.#follower,
      read: since => this.#read(since),
      subscribed: () => this.#subscribed,
      room: () => this.#inbox.room(),
      deliver: items => this.#deliver(items),
      onRetry: error => this.#report(error, { kind: 'retrying', channel }),
    })
    this.#seat = parts.feeds.join(channel, wish(options, this.#since), this.#reader)
    this.#look()
    options.signal?.addEventListener('abort', this.#abort, { once: true })
    if (options.signal?.aborted) this.unsubscribe()
  }

  get position(): Place | undefined {
    return this.#position
  }

  get progress(): SubscriptionProgress {
    if (this.#over) return 'ended'
    if (!this.#subscribed || !(this.#answered || this.#early)) return 'subscribing'
    const behind = this.#aim !== undefined && (this.#follower.place?.offset ?? 0) < this.#aim
    return this.#early || behind || this.#follower.catchingUp ? 'replaying' : 'live'
  }

  get state(): Subscription['state'] {
    return this.#over ? 'unsubscribed' : this.#seat.state
  }

  async ready(): Promise<void> {
    if (this.#over) throw this.#over
    await this.#seat.ready().catch(thrown => {
      // Of an end the SDK says no more than that it has come.
      throw this.#over ?? thrown
    })
  }

  unsubscribe(): void {
    if (this.#over) return
    this.#inbox.close()
    this.#end(new HoldfastClientError(codes.disconnected, `${this.channel} is not subscribed`))
  }

  readonly #abort = () => this.unsubscribe()

  readonly #reader: Reader = {
    subscribed: answer => this.#subscribedWith(answer),
    publication: event => {
      if (!this.#early) this.#take(event)
      else if (this.#early.length < maxEarly) this.#early.push(event)
      // Before the last one then is a hole, which is read from the history.
      else this.#early[maxEarly - 1] = event
    },
    joined: info => this.#guarded(() => this.#options.onJoin?.(info)),
    left: info => this.#guarded(() => this.#options.onLeave?.(info)),
    failed: error => this.#report(error, { kind: 'retrying', channel: this.channel }),
    waiting: () => {
      this.#early = undefined
      this.#answered = false
      this.#look()
    },
    // What has arrived is still handed on.
    ended: why => this.#endWith(why),
  }

  get #subscribed(): boolean {
    return !this.#over && this.#seat.state === 'subscribed'
  }

  #subscribedWith(answer: Answer): void {
    const own = this.#since === 'start' ? { offset: 0, epoch: '' } : this.#since
    if (this.#follower.place || knowsHead(answer, own)) {
      if (!this.#follower.place && own && answer.recovered) this.#aimAtHead()
      this.#settle(answer, answer.position, answer.recovered && !answer.late)
      return
    }
    const held: Received[] = []
    this.#early = held
    void this.#head(() => this.#early === held).then(head => {
      if (this.#early === held && this.#subscribed)
        this.#settle(answer, head ?? answer.position, head === undefined)
    })
    this.#look()
  }

  #settle(answer: Answer, position: Place | undefined, recovered: boolean): void {
    this.#answered = true
    const first = this.#follower.place === undefined
    this.#deliver(this.#follower.subscribed({ position, recovered }))
    if (first) this.#position ??= this.#follower.place
    const data = applicationData(answer.data)
    this.#guarded(() => this.#options.onSubscribed?.({ position: this.#follower.place, data }))
    const early = this.#early ?? []
    this.#early = undefined
    for (const event of early) this.#take(event)
    this.#readPast()
    this.#look()
  }

  /** What the server pushes of the past is not told apart from what is new, so who wants to know asks. */
  #aimAtHead(): void {
    if (!this.#options.onProgress && !this.#parts.progress.watched()) return
    this.#aim = Number.POSITIVE_INFINITY
    void this.#head(() => true).then(head => {
      if (this.#aim !== undefined) this.#aim = head?.offset
      this.#look()
    })
  }

  async #head(wanted: () => boolean): Promise<Place | undefined> {
    const read = async (): Promise<Place> => {
      const { epoch, head } = await this.#read(undefined)
      return { epoch, offset: head }
    }
    return askHead({ clock: this.#parts.clock, read, wanted: () => this.#subscribed && wanted() })
  }

  #read(since: Place | undefined): Promise<HistoryPage> {
    return readHistory(this.#parts.sdk, this.channel, since ? { since, limit: pageSize } : { limit: 0 })
  }

  #take(event: Received): void {
    if (event.offset === undefined && this.#inbox.full) {
      const message = `${this.#inbox.size} events wait for the handler; a message without a number was dropped`
      this.#report(new Error(message), { kind: 'dropped', channel: this.channel })
      return
    }
    this.#deliver(this.#follower.event(event, !this.#inbox.full))
    this.#readPast()
  }

  #deliver(items: readonly Item<Received>[]): void {
    for (const item of items) {
      // A numbering that began anew may never get as far.
      if (item.kind === 'reset') this.#aim = undefined
      this.#inbox.push(item)
    }
    this.#look()
  }

  #handle(item: Item<Received>): unknown {
    if (item.kind === 'event') return this.#options.onEvent?.(placed(item))
    return tellReset(this.channel, item.reset, this.#options, {
      report: this.#report,
      onGap: this.#parts.onGap,
    })
  }

  #handlerFailed(error: unknown, item: Item<Received>): void {
    this.#failed = true
    const event = item.kind === 'event' ? item.event : item.reset
    this.#report(error, { kind: 'handler', channel: this.channel, event })
    if (this.#options.onPoison !== 'stop-channel' || this.#over) return
    this.#inbox.close()
    this.#endWith(poisoned(this.channel, item, error))
  }

  #handled(item: Item<Received>): void {
    // The place stays before what the handler failed at.
    if (this.#over?.code === codes.poisoned) return
    const place = item.kind === 'reset' ? item.reset.position : placed(item).position
    this.#position = place ?? this.#position
    if (place) this.#parts.onHandled?.(place, { ok: !this.#failed, reset: item.kind === 'reset' })
    this.#failed = false
  }

  #endWith(why: HoldfastClientError): void {
    this.#end(why)
    if (this.#options.onUnsubscribed) this.#guarded(() => this.#options.onUnsubscribed?.(why))
    // What the handler threw was reported already.
    else if (why.code !== codes.poisoned) this.#report(why, { kind: 'ended', channel: this.channel })
  }

  #end(why: HoldfastClientError): void {
    this.#over = why
    this.#options.signal?.removeEventListener('abort', this.#abort)
    this.#seat.leave()
    this.#look()
  }

  /** Tells of the progress where it has changed. */
  #look(): void {
    const now = this.progress
    if (now === this.#told) {
      // Also of a reader that has just begun.
      if (now === 'subscribing') this.#parts.progress.is(this, false)
      return
    }
    this.#told = now
    this.#parts.progress.is(this, now === 'live' || now === 'ended')
    this.#guarded(() => this.#options.onProgress?.(now))
  }
}

function wish(options: SubscribeOptions<Received>, since: Place | 'start' | undefined): Wish {
  const { token, getToken, data } = options
  return { since, token, getToken, data }
}

/** A pushed event does not say its epoch; the follower knows. */
function placed({ event, epoch }: { event: Received; epoch: string }): Received {
  if (event.position || event.offset === undefined) return event
  return { ...event, position: { epoch, offset: event.offset } }
}

function placeOf(since: SubscribeOptions<Received>['since']): Place | 'start' | undefined {
  return typeof since === 'number' ? { offset: since, epoch: '' } : since
}
