import type { HoldfastClientError } from '../errors.ts'
import type { PresenceChange, PresenceOptions, PresentUser } from '../presence.ts'
import { useHoldfast } from './provider.ts'
import { tokensOf, useLatest, useStore } from './store.ts'

export interface UsePresenceOptions extends Omit<PresenceOptions, 'signal' | 'onUnsubscribed'> {
  /** Called with those who come and go. */
  readonly onChange?: (change: PresenceChange) => unknown
}

export interface PresenceView {
  /** Everyone who is there, one for all tabs of a person, in the order in which they came. */
  readonly users: readonly PresentUser[]
  /** Whether the server has said who is there. */
  readonly ready: boolean
  /** Why it does not say. */
  readonly error: HoldfastClientError | undefined
}

const nobody: PresenceView = { users: [], ready: false, error: undefined }

/** Who is in a channel, while the component is shown. */
export function usePresence(name: string, options: UsePresenceOptions = {}): PresenceView {
  const client = useHoldfast()
  const latest = useLatest(options)
  const { graceMs, compareMs, token } = options
  return useStore(() => {
    let view = nobody
    return {
      get view() {
        return view
      },
      begin(changed) {
        const { onChange: _, ...wish } = latest.current
        const watch = client.channel(name).presence.watch(
          change => {
            view = { users: change.users, ready: true, error: undefined }
            changed()
            return latest.current.onChange?.(change)
          },
          {
            ...wish,
            ...tokensOf(latest),
            onUnsubscribed(error) {
              view = { ...view, error }
              changed()
            },
          },
        )
        return () => watch.stop()
      },
    }
  }, [client, name, graceMs, compareMs, token])
}
