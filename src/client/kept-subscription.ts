import { codes, HoldfastClientError } from './errors.ts'
import type { KeptPlaces } from './kept-places.ts'
import { type SubscribeParts, subscribe } from './subscription.ts'
import type { Received, SubscribeOptions, Subscription } from './types.ts'

export interface KeptSubscribeParts extends SubscribeParts {
  readonly places: KeptPlaces
}

/**
 * Subscribes from where this page, or the one before it, has stopped.
 * @throws HoldfastClientError `badRequest`
 */
export function subscribeFromKept(
  channel: string,
  name: true | string,
  options: SubscribeOptions<Received>,
  parts: KeptSubscribeParts,
): Subscription {
  if (options.since !== undefined || options.cursor !== undefined) {
    throw new HoldfastClientError(
      codes.badRequest,
      'expected one of `since`, `cursor` and `keep`, got several',
    )
  }
  const kept = parts.places.open(channel, name)
  const since = kept.place ?? (options.from === 'head' ? undefined : 'start')
  const close = () => {
    options.signal?.removeEventListener('abort', close)
    kept.close()
  }
  let placed = since !== undefined
  const subscription = subscribe(
    channel,
    {
      ...options,
      ...(since !== undefined && { since }),
      onSubscribed: context => {
        // Who begins at the head has a place from now on, whether or not anything comes before the page is left.
        if (!placed && context.position) kept.put(context.position)
        placed = true
        return options.onSubscribed?.(context)
      },
      onUnsubscribed: why => {
        close()
        if (options.onUnsubscribed) return options.onUnsubscribed(why)
        if (why.code !== codes.poisoned) parts.report(why, { kind: 'ended', channel })
        return undefined
      },
    },
    { ...parts, onHandled: place => kept.put(place) },
  )
  options.signal?.addEventListener('abort', close, { once: true })
  if (options.signal?.aborted) close()
  return {
    channel,
    get position() {
      return subscription.position
    },
    get progress() {
      return subscription.progress
    },
    get state() {
      return subscription.state
    },
    ready: () => subscription.ready(),
    unsubscribe() {
      subscription.unsubscribe()
      close()
    },
  }
}
