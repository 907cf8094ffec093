import type { Centrifuge, SubscriptionOptions } from 'centrifuge'
import type { Breath } from './breath.ts'
import { catchUp } from './catch-up.ts'
import type { Clock } from './clock.ts'
import { clientError, codes, HoldfastClientError } from './errors.ts'
import { Follower, type Item, type Place, type Reset } from './follower.ts'
import { Inbox } from './inbox.ts'
import { applicationData, readHistory, received } from './received.ts'
import { guard, type Report, reporter } from './report.ts'
import type { TimedPublication } from './sdk.ts'
import type { Received, SubscribeOptions, Subscription } from './types.ts'

const defaultMaxWaiting = 1_000
/** How many events a page of history asks for; the server gives fewer where it wants to. */
const pageSize = 500

export interface SubscribeParts {
  readonly clock: Clock
  readonly report: Report
  readonly breath: Breath
  /** The handler of an event, or of a reset, has ended: `ok` unless it threw. */
  readonly onHandled?: (place: Place, end: { readonly ok: boolean; readonly reset: boolean }) => void
}

/** Subscribes. @throws HoldfastClientError `alreadySubscribed` */
export function subscribe(
  sdk: Centrifuge,
  channel: string,
  options: SubscribeOptions<Received>,
  inner: SubscribeParts,
): Subscription {
  if (sdk.getSubscription(channel)) {
    throw new HoldfastClientError(
      codes.alreadySubscribed,
      `${channel} has a subscription of this client already`,
    )
  }
  const report = reporter(options.onError, inner.report)
  const guarded = guard(report)
  const follower = new Follower<Received>({
    since: placeOf(options.since),
    afterReset: options.afterReset ?? 'head',
  })
  const sub = sdk.newSubscription(channel, wishes(options))
  let position: Place | undefined
  let ended = false
  let failed = false

  const inbox = new Inbox<Item<Received>>({
    capacity: options.maxWaiting ?? defaultMaxWaiting,
    breath: inner.breath,
    handle: item =>
      item.kind === 'event'
        ? options.onEvent?.(placed(item))
        : tellReset(channel, item.reset, options, report),
    onFailure: (error, item) => {
      failed = true
      report(error, { kind: 'handler', channel, event: item.kind === 'event' ? item.event : item.reset })
    },
    onHandled: item => {
      const place = item.kind === 'reset' ? item.reset.position : placed(item).position
      position = place ?? position
      if (place) inner.onHandled?.(place, { ok: !failed, reset: item.kind === 'reset' })
      failed = false
    },
  })
  const deliver = (items: readonly Item<Received>[]) => {
    for (const item of items) inbox.push(item)
  }
  const readPast = catchUp<Received>({
    clock: inner.clock,
    follower,
    read: since => readHistory(sdk, channel, since ? { since, limit: pageSize } : { limit: 0 }),
    subscribed: () => !ended && sub.state === 'subscribed',
    room: () => inbox.room(),
    deliver,
    onRetry: error => report(error, { kind: 'retrying', channel }),
  })

  sub.on('subscribed', context => {
    const first = follower.place === undefined
    deliver(follower.subscribed({ position: context.streamPosition, recovered: context.recovered }))
    if (first) position ??= follower.place
    guarded(() => options.onSubscribed?.({ position: follower.place, data: applicationData(context.data) }))
    readPast()
  })
  sub.on('publication', (context: TimedPublication) => {
    const event = received(context)
    if (event.offset === undefined && inbox.full) {
      const message = `${inbox.size} events wait for the handler; a message without a number was dropped`
      report(new Error(message), { kind: 'dropped', channel })
      return
    }
    deliver(follower.event(event, !inbox.full))
    readPast()
  })
  sub.on('join', ({ info }) => guarded(() => options.onJoin?.(info)))
  sub.on('leave', ({ info }) => guarded(() => options.onLeave?.(info)))
  sub.on('error', ({ error }) => report(clientError(error), { kind: 'retrying', channel }))
  sub.on('unsubscribed', ({ code, reason }) => {
    if (ended) return
    ended = true
    // What has arrived is still handed on.
    sdk.removeSubscription(sub)
    const why = new HoldfastClientError(code, reason)
    if (options.onUnsubscribed) guarded(() => options.onUnsubscribed?.(why))
    else report(why, { kind: 'ended', channel })
  })
  sub.subscribe()

  return {
    channel,
    get position() {
      return position
    },
    get state() {
      return ended ? 'unsubscribed' : sub.state
    },
    async ready() {
      if (ended) throw new HoldfastClientError(codes.disconnected, `${channel} is not subscribed`)
      await sub.ready().catch(thrown => {
        throw clientError(thrown)
      })
    },
    unsubscribe() {
      if (ended) return
      ended = true
      inbox.close()
      sdk.removeSubscription(sub)
    },
  }
}

function wishes(options: SubscribeOptions<Received>): Partial<SubscriptionOptions> {
  const since = placeOf(options.since)
  return {
    // A wish: a channel whose namespace keeps nothing is subscribed to all the same.
    recoverable: true,
    ...(since && { since: since === 'start' ? { offset: 0, epoch: '' } : since }),
    ...((options.onJoin ?? options.onLeave) && { joinLeave: true }),
    ...(options.token !== undefined && { token: options.token }),
    ...(options.getToken && { getToken: options.getToken }),
    ...(options.data !== undefined && { data: options.data }),
  }
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
  report: Report,
): unknown {
  if (options.onReset) return options.onReset(reset)
  const after = `${channel} goes on after offset ${reset.position.offset}`
  report(new Error(`events are missed for good (${reset.reason}): ${after}`), {
    kind: 'reset',
    channel,
    reset,
  })
  return undefined
}
