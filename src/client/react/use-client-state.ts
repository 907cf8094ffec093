import type { ClientStatus } from '../status.ts'
import { useHoldfast } from './provider.ts'
import { useStore } from './store.ts'

/** How the client is: `state` in one word (live, replaying, degraded, connecting, closed), and what is behind it. */
export function useClientState(): ClientStatus {
  const client = useHoldfast()
  return useStore(
    () => ({
      get view() {
        return client.status
      },
      begin: changed => client.on('state', changed),
    }),
    [client],
  )
}
