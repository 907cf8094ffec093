import { useSyncExternalStore } from 'react'
import { routeTo, type Wish } from './address.ts'

export function goTo(page: string, wish?: Wish): void {
  location.hash = routeTo(page, wish)
}

/** The same place with other wishes, without a new entry in the history: what a filter does while it is typed. */
export function refine(page: string, wish: Wish): void {
  const next = routeTo(page, wish)
  if (next === location.hash) return
  history.replaceState(null, '', next)
  dispatchEvent(new HashChangeEvent('hashchange'))
}

function onHash(changed: () => void): () => void {
  addEventListener('hashchange', changed)
  return () => removeEventListener('hashchange', changed)
}

export function useHash(): string {
  return useSyncExternalStore(onHash, () => location.hash)
}
