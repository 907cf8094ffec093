import type { Centrifuge } from 'centrifuge'
import { abortable } from './abortable.ts'
import type { Cursors, OwnCursor } from './cursor.ts'
import { clientError, codes, HoldfastClientError } from './errors.ts'
import type { Place } from './follower.ts'
import { persistentRead } from './persistent-read.ts'
import { guard, reporter } from './report.ts'
import { type SubscribeParts, subscribe } from './subscription.ts'
import type { Acknowledgeable, Received, SubscribeOptions, Subscription } from './types.ts'

/** Where a subscription begins, and the token that permitted to ask. */
interface Beginning {
  readonly since: Place | 'start'
  readonly token: string | undefined
}

export interface CursorSubscribeParts extends SubscribeParts {
  readonly probe: () => void
  readonly cursors: Cursors
}

/**
 * Asks where the user's cursor stands, for as long as that takes, and subscribes from there.
 * @throws HoldfastClientError `badRequest`
 */
export function subscribeFromCursor(
  channel: string,
  name: string,
  options: SubscribeOptions<Received>,
  parts: CursorSubscribeParts,
): Subscription {
  const { sdk } = parts
  if (options.since !== undefined) {
    throw new HoldfastClientError(codes.badRequest, 'expected `since` or `cursor`, got both')
  }
  const report = reporter(options.onError, parts.report)
  const cursor = parts.cursors.open(channel, name)
  const ending = new AbortController()
  let subscription: Subscription | undefined
  let ended = false

  const reading = { channel }
  const end = () => {
    ended = true
    parts.progress.gone(reading)
  }
  parts.progress.is(reading, false)
  /** Tried once. */
  const place = async (): Promise<Beginning> => {
    const token = await tokenOf(channel, options)
    const { offset, epoch, head, moved } = await cursor.read(token)
    if (moved !== undefined) return { since: { offset, epoch }, token }
    if (options.from !== 'head') return { since: 'start', token }
    // From now on it has a place: what is recorded before the first ack comes on the next connection too.
    return { since: await cursor.put({ offset: head, epoch }, token), token }
  }
  const open = async () => {
    const asking = () => persistentRead(channel, place, { ...parts, report }, ending.signal)
    const { since, token } = await whileConnected(sdk, asking, ending.signal)
    ending.signal.throwIfAborted()
    const more = {
      since,
      afterReset: options.afterReset ?? 'start',
      ...(token !== undefined && { token }),
    } as const
    const onHandled = options.ack === 'manual' ? undefined : acknowledging(cursor)
    const handed = { ...options, ...more, ...handing(options, cursor) }
    subscription = subscribe(channel, handed, { ...parts, ...(onHandled && { onHandled }) })
    parts.progress.gone(reading)
  }
  const opened = open().catch(thrown => {
    if (ended) return
    end()
    const why = clientError(thrown)
    if (options.onUnsubscribed) guard(report)(() => options.onUnsubscribed?.(why))
    else report(why, { kind: 'ended', channel })
    throw why
  })
  opened.catch(() => undefined)

  const unsubscribe = () => {
    options.signal?.removeEventListener('abort', unsubscribe)
    if (!ended) end()
    ending.abort()
    subscription?.unsubscribe()
  }
  options.signal?.addEventListener('abort', unsubscribe, { once: true })
  if (options.signal?.aborted) unsubscribe()

  return {
    channel,
    get position() {
      return subscription?.position
    },
    get progress() {
      return subscription?.progress ?? (ended ? 'ended' : 'subscribing')
    },
    get state() {
      return subscription?.state ?? (ended ? 'unsubscribed' : 'subscribing')
    },
    async ready() {
      await opened
      if (!subscription) throw new HoldfastClientError(codes.disconnected, `${channel} is not subscribed`)
      await subscription.ready()
    },
    unsubscribe,
  }
}

/** @throws HoldfastClientError `temporary`: what gives tokens is asked again */
async function tokenOf(
  channel: string,
  { token, getToken }: SubscribeOptions<Received>,
): Promise<string | undefined> {
  if (!getToken) return token
  try {
    return await getToken({ channel })
  } catch (error) {
    throw new HoldfastClientError(codes.internal, `getToken failed: ${String(error)}`, { temporary: true })
  }
}

/** Begins again with each new connection after one that was ended for good. */
async function whileConnected<T>(sdk: Centrifuge, act: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    if (sdk.state !== 'connected') await abortable(connected(sdk, signal), signal)
    try {
      return await act()
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof HoldfastClientError) || error.code !== codes.disconnected) throw error
    }
  }
}

function connected(sdk: Centrifuge, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      sdk.removeListener('connected', done)
      resolve()
    }
    sdk.on('connected', done)
    signal.addEventListener('abort', done, { once: true })
  })
}

/** Events that can be acknowledged: the subscription's own, for others read the same ones with cursors of theirs. */
function handing({ onEvent }: SubscribeOptions<Received>, cursor: OwnCursor) {
  return (
    onEvent && {
      onEvent(event: Received) {
        const own: Received & Acknowledgeable = { ...event, ack: () => cursor.ack(event) }
        return onEvent(own)
      },
    }
  )
}

/**
 * Acknowledges what has been handled. An event whose handler failed is not, and so nothing behind it, until the
 * application acknowledges it by itself: it comes again with the next subscription.
 */
function acknowledging(cursor: OwnCursor): NonNullable<SubscribeParts['onHandled']> {
  let failed: Place | undefined
  return (place, { ok, reset }) => {
    if (!ok) failed ??= place
    // After a gap that cannot be closed, what failed before it cannot come again.
    else if (reset || (failed && cursor.covers(failed))) failed = undefined
    if (!failed) cursor.ack(place)
  }
}
