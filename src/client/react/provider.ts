import { createContext, createElement, type ReactNode, useContext } from 'react'
import type { Client } from '../client.ts'
import type { Contract } from '../contract.ts'

const Context = createContext<Client | undefined>(undefined)

/**
 * Gives a client to all hooks below. Make the client outside of components, or once in an effect, and connect it there: it
 * outlives what is drawn.
 */
export function HoldfastProvider<C extends Contract>({
  client,
  children,
}: {
  readonly client: Client<C>
  readonly children?: ReactNode
}): ReactNode {
  return createElement(Context.Provider, { value: client as unknown as Client }, children)
}

/** The client of the provider above. @throws Error where there is none */
export function useHoldfast<C extends Contract = Contract>(): Client<C> {
  const client = useContext(Context)
  if (!client) throw new Error('there is no HoldfastProvider above this component')
  return client as unknown as Client<C>
}
