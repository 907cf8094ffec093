import { useCallback, useInsertionEffect, useMemo, useRef, useSyncExternalStore } from 'react'

/** Something that lives outside of React: begun when the first component shows it, ended when the last is gone. */
export interface Store<View> {
  /** The same object until something changes. */
  readonly view: View
  /** Begins. Returns how to end; it may begin again afterwards. */
  begin(changed: () => void): () => void
}

/**
 * Shows a store. Nothing is begun while drawing, only with what React has committed: so StrictMode, which draws twice and
 * mounts twice, leaves one.
 */
export function useStore<View>(make: () => Store<View>, keys: readonly unknown[]): View {
  // The keys are the caller's; `make` is new in each drawing.
  const store = useMemo(make, keys)
  const begin = useCallback((changed: () => void) => store.begin(changed), [store])
  const view = () => store.view
  return useSyncExternalStore(begin, view, view)
}

interface WithTokens {
  readonly getToken?: (context: { channel: string }) => Promise<string>
}

/** Tokens come from the function of the last drawing: that of the first may have what was true then. */
export function tokensOf(latest: { readonly current: WithTokens }): WithTokens {
  const { getToken } = latest.current
  return getToken ? { getToken: context => (latest.current.getToken ?? getToken)(context) } : {}
}

/** The newest value, for handlers that must not begin anything anew. */
export function useLatest<T>(value: T): { readonly current: T } {
  const latest = useRef(value)
  // Not while drawing: what is drawn may be thrown away.
  useInsertionEffect(() => {
    latest.current = value
  })
  return latest
}
