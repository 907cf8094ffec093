import { useMemo } from 'react'
import type { Channel } from '../channel.ts'
import type { ChannelOf, Contract } from '../contract.ts'
import type { Place } from '../follower.ts'
import type { Received, ReceivedOf, SubscribeOptions } from '../types.ts'
import { type ChannelEvents, ChannelStore } from './channel-store.ts'
import { useHoldfast } from './provider.ts'
import { useLatest, useStore } from './store.ts'

/** As of `subscribe`. What says where to begin begins anew when it changes; handlers may be new in each drawing. */
export interface UseChannelOptions<Event> extends Omit<SubscribeOptions<Event>, 'signal'> {
  /** Which types to hold; all by default. `onEvent` is called with all. */
  readonly types?: readonly string[]
  /** How many events to hold, the newest ones (default 500); 0 holds none. */
  readonly limit?: number
}

export interface ChannelView<C extends Contract, Name extends string>
  extends ChannelEvents<ReceivedOf<C, Name>> {
  /** For `append`, `signal`, `publish` and all else; the same object until the name changes. */
  readonly channel: Channel<C, Name>
}

const defaultLimit = 500

/** Subscribes to a channel while the component is shown, and draws it anew with what comes. */
export function useChannel<C extends Contract = Contract, Name extends ChannelOf<C> = ChannelOf<C>>(
  name: Name,
  options: UseChannelOptions<ReceivedOf<C, Name>> = {},
): ChannelView<C, Name> {
  const client = useHoldfast<C>()
  const { types, limit = defaultLimit } = options
  const handlers = useLatest(options as SubscribeOptions<Received>)
  const wish = wishOf(options as SubscribeOptions<Received>)
  const view = useStore(() => {
    const set = types && new Set(types)
    const wanted = set && (({ type }: Received) => set.has(type))
    return new ChannelStore(client as never, name, { limit, wanted, handlers, wish })
  }, [client, name, limit, types?.join(' '), keyOf(wish)])
  const channel = useMemo(() => client.channel(name), [client, name])
  return useMemo(() => ({ ...view, channel }) as unknown as ChannelView<C, Name>, [view, channel])
}

/** Without the handlers, which change. */
function wishOf(options: SubscribeOptions<Received>): SubscribeOptions<Received> {
  const { since, cursor, keep, ack, from, afterReset, onPoison, token, getToken, data, maxWaiting } = options
  const all = { since, cursor, keep, ack, from, afterReset, onPoison, token, getToken, data, maxWaiting }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

/** A place is a new object in each drawing, and so is a function that gives tokens: only what they say begins anew. */
function keyOf(wish: SubscribeOptions<Received>): string {
  const { getToken: _, ...rest } = wish
  return JSON.stringify(rest satisfies { since?: number | Place | 'start' })
}
