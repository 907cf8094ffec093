import type { Centrifuge } from 'centrifuge'
import type { Breath } from './breath.ts'
import { catchUp } from './catch-up.ts'
import type { Clock } from './clock.ts'
import { codes, HoldfastClientError } from './errors.ts'
import type { Answer, Feeds, Reader, Wish } from './feed.ts'
import { Follower, type Item, type Place, type Reset } from './follower.ts'
import { Inbox } from './inbox.ts'
import { askHead, knowsHead } from './placing.ts'
import type { Progress } from './progress.ts'
import { applicationData, readHistory } from './received.ts'
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
  inner: SubscribeParts,
): Subscription {
  const { sdk, clock, progress } = inner
  const report = reporter(options.onError, inner.report)
  const guarded = guard(report)
  const since = placeOf(options.since)
  const follower = new Follower<Received>({ since, afterReset: options.afterReset ?? 'head' })
  let position: Place | undefined
  let failed = false
  /** Of a reader that waits to be placed: what has come meanwhile. */
  let early: Received[] | undefined
  let over: HoldfastClientError | undefined
  let answered = false
  let shown: SubscriptionProgress = 'subscribing'

  const inbox = new Inbox<Item<Received>>({
    capacity: options.maxWaiting ?? defaultMaxWaiting,
    breath: inner.breath,
    handle: item =>
      item.kind === 'event'
        ? options.onEvent?.(placed(item))
        : tellReset(channel, item.reset, options, { report, onGap: inner.onGap }),
    onFailure: (error, item) => {
      failed = true
      report(error, { kind: 'handler', channel, event: item.kind === 'event' ? item.event : item.reset })
      if (options.onPoison === 'stop-channel') stop(poisoned(channel, item, error))
    },
    onHandled: item => {
      if (over?.code === codes.poisoned) return
      const place = item.kind === 'reset' ? item.reset.position : placed(item).position
      position = place ?? position
      if (place) inner.onHandled?.(place, { ok: !failed, reset: item.kind === 'reset' })
      failed = false
    },
  })
  const deliver = (items: readonly Item<Received>[]) => {
    for (const item of items) inbox.push(item)
  }
  const look = (): SubscriptionProgress => {
    if (over) return 'ended'
    if (seat.state !== 'subscribed' || (!answered && !early)) return 'subscribing'
    return early || follower.catchingUp ? 'replaying' : 'live'
  }
  const told = () => {
    const now = look()
    progress.is(own, now === 'live' || now === 'ended')
    if (now === shown) return
    shown = now
    guarded(() => options.onProgress?.(now))
  }
  const read = (from: Place | undefined) =>
    readHistory(sdk, channel, from ? { since: from, limit: pageSize } : { limit: 0 })
  const subscribed = () => !over && seat.state === 'subscribed'
  const readPast = catchUp<Received>({
    clock,
    follower,
    read,
    subscribed,
    room: () => inbox.room(),
    deliver: items => {
      deliver(items)
      told()
    },
    onRetry: error => report(error, { kind: 'retrying', channel }),
  })
  const take = (event: Received) => {
    if (event.offset === undefined && inbox.full) {
      const message = `${inbox.size} events wait for the handler; a message without a number was dropped`
      report(new Error(message), { kind: 'dropped', channel })
      return
    }
    const live = !follower.catchingUp
    deliver(follower.event(event, !inbox.full))
    if (live && follower.catchingUp) told()
    readPast()
  }
  const settle = (answer: Answer, recovered: boolean, at = answer.position) => {
    answered = true
    const first = follower.place === undefined
    deliver(follower.subscribed({ position: at, recovered }))
    if (first) position ??= follower.place
    guarded(() => options.onSubscribed?.({ position: follower.place, data: applicationData(answer.data) }))
    const waiting = early ?? []
    early = undefined
    for (const event of waiting) take(event)
    readPast()
    told()
  }
  const stop = (why: HoldfastClientError) => {
    if (over) return
    over = why
    inbox.close()
    seat.leave()
    told()
    ended(why)
  }
  const ended = (why: HoldfastClientError) => {
    if (options.onUnsubscribed) guarded(() => options.onUnsubscribed?.(why))
    else if (why.code !== codes.poisoned) report(why, { kind: 'ended', channel })
  }

  const reader: Reader = {
    subscribed(answer) {
      const from = since === 'start' ? { offset: 0, epoch: '' } : since
      if (follower.place || knowsHead(answer, from)) {
        settle(answer, answer.recovered && !answer.late)
        return
      }
      const held: Received[] = []
      early = held
      const head = async (): Promise<Place> => {
        const { epoch, head: offset } = await read(undefined)
        return { epoch, offset }
      }
      askHead({ clock, read: head, wanted: () => subscribed() && early === held }).then(at => {
        if (early === held && subscribed()) settle(answer, at === undefined, at ?? answer.position)
      })
    },
    publication(event) {
      if (!early) take(event)
      else if (early.length < maxEarly) early.push(event)
      // Before the last one then is a hole, which is read from the history.
      else early[maxEarly - 1] = event
    },
    joined: info => guarded(() => options.onJoin?.(info)),
    left: info => guarded(() => options.onLeave?.(info)),
    failed: error => report(error, { kind: 'retrying', channel }),
    waiting() {
      early = undefined
      answered = false
      told()
    },
    // What has arrived is still handed on.
    ended(why) {
      over = why
      told()
      ended(why)
    },
  }
  const own = { channel }
  const seat = inner.feeds.join(channel, wish(options, since), reader)
  told()
  const unsubscribe = () => {
    options.signal?.removeEventListener('abort', unsubscribe)
    if (over) return
    over = new HoldfastClientError(codes.disconnected, `${channel} is not subscribed`)
    inbox.close()
    seat.leave()
    told()
  }
  options.signal?.addEventListener('abort', unsubscribe, { once: true })
  if (options.signal?.aborted) unsubscribe()

  return {
    channel,
    get position() {
      return position
    },
    get progress() {
      return look()
    },
    get state() {
      return over ? 'unsubscribed' : seat.state
    },
    ready: () => (over ? Promise.reject(over) : seat.ready()),
    unsubscribe,
  }
}

function wish(options: SubscribeOptions<Received>, since: Place | 'start' | undefined): Wish {
  const { token, getToken, data } = options
  return { since, token, getToken, data }
}

function poisoned(channel: string, item: Item<Received>, error: unknown): HoldfastClientError {
  const at = item.kind === 'event' ? `event ${item.event.offset ?? item.event.type}` : 'a gap'
  return new HoldfastClientError(codes.poisoned, `${channel} is stopped: its handler failed at ${at}`, {
    cause: error,
  })
}

/** A pushed event does not say its epoch; the follower knows. */
function placed({ event, epoch }: { event: Received; epoch: string }): Received {
  if (event.position || event.offset === undefined) return event
  return { ...event, position: { epoch, offset: event.offset } }
}

function placeOf(since: SubscribeOptions<Received>['since']): Place | 'start' | undefined {
  return typeof since === 'number' ? { offset: since, epoch: '' } : since
}

function tellReset(
  channel: string,
  reset: Reset,
  options: SubscribeOptions<Received>,
  { report, onGap }: Pick<SubscribeParts, 'report' | 'onGap'>,
): unknown {
  const heard = onGap({ channel, ...reset })
  if (options.onReset) return options.onReset(reset)
  if (heard) return undefined
  const after = `${channel} goes on after offset ${reset.position.offset}`
  report(new Error(`events are missed for good (${reset.reason}): ${after}`), {
    kind: 'reset',
    channel,
    reset,
  })
  return undefined
}
