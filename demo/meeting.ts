// The page's only tie to the server: one client, whatever its parts want of it.
import { type Client, createClient, type ReceivedOf } from '@holdfast/client'
import { type ChannelView, useChannel, useHoldfast } from '@holdfast/client/react'
import { createContext, useContext, useMemo } from 'react'
import type { Meeting } from './contract.ts'
import type { Me } from './me.ts'

export function openClient(me: Me): Client<Meeting> {
  return createClient<Meeting>(location.origin.replace(/^http/, 'ws'), {
    data: { meeting: { person: me.id, tab: me.tab, name: me.name } },
    reconnectDelayMs: { min: 300, max: 3_000 },
    // What fails for now is tried again by the client; the banner says how things are.
    onError: (error, { kind }) => kind === 'handler' && console.error(error),
  })
}

const MeContext = createContext<Me | undefined>(undefined)
export const MeProvider = MeContext.Provider

export function useMe(): Me {
  const me = useContext(MeContext)
  if (!me) throw new Error('outside of a meeting')
  return me
}

/** Signals go here: pointing, typing, and the words by which browsers find each other. For who is there, and gone then. */
export function useRoom() {
  const { room } = useMe()
  const client = useHoldfast<Meeting>()
  return useMemo(() => client.channel(`room:${room}`), [client, room])
}

export type Chat = `chat:${string}`
export type Decisions = `decision:${string}`
export type EventOf<Name extends Chat | Decisions> = ReceivedOf<Meeting, Name>

/** What a page keeps of a long past. */
const limit = 1_000

/** All events of a channel: those from before we came, then each as it is recorded. None is missing, and none comes twice. */
export function useFacts<Name extends Chat | Decisions>(name: Name): ChannelView<Meeting, Name> {
  return useChannel<Meeting, Name>(name, { since: 'start', limit, afterReset: 'start' })
}
