import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react'
import type { Me } from '../../src/console/wire.ts'
import { Api, type Failure } from './api.ts'
import { Readings } from './readings.ts'
import { savedToken } from './settings.ts'

export interface Session {
  readonly me: Me
  readonly api: Api
  readonly readings: Readings
  /** The server's clock minus this browser's, when the page was opened. */
  readonly skewMs: number
  signOut(): void
}

const Context = createContext<Session | undefined>(undefined)

export function useSession(): Session {
  const session = useContext(Context)
  if (!session) throw new Error('useSession outside of the session')
  return session
}

export type Entry =
  | { readonly kind: 'trying' }
  /** `failure`: why the last attempt did not succeed. */
  | { readonly kind: 'asking'; readonly failure: Failure | undefined }

const base = '/console/api'

/**
 * Everything behind the token. The first question goes out without one where none is kept: a server in development asks
 * for none.
 */
export function SessionGate({
  entrance,
  children,
}: {
  entrance: (entry: Entry, enter: (token: string) => void) => ReactNode
  children: ReactNode
}) {
  const [token, setToken] = useState(() => savedToken.read() ?? '')
  const [attempt, setAttempt] = useState(0)
  const [entry, setEntry] = useState<Entry>({ kind: 'trying' })
  const [known, setKnown] = useState<{ me: Me; skewMs: number } | undefined>()

  // A session per token: when it ends, what was asked with it ends, too.
  const parts = useMemo(() => {
    const api = new Api(token, base, failure => {
      savedToken.write(undefined)
      setKnown(undefined)
      setEntry({ kind: 'asking', failure })
    })
    return { api, readings: new Readings(api) }
  }, [token])

  useEffect(() => {
    const leaving = new AbortController()
    setEntry({ kind: 'trying' })
    void parts.api.get<Me>('/me', leaving.signal).then(outcome => {
      if (leaving.signal.aborted) return
      if (outcome.kind === 'answer') {
        if (parts.api.token !== '') savedToken.write(parts.api.token)
        setKnown({ me: outcome.body, skewMs: outcome.body.time - Date.now() })
        return
      }
      const first = parts.api.token === '' && outcome.failure.kind === 'signed_out'
      setEntry({ kind: 'asking', failure: first ? undefined : outcome.failure })
    })
    return () => leaving.abort()
  }, [parts, attempt])

  useEffect(() => (known ? parts.readings.open() : undefined), [parts, known])

  const session = useMemo<Session | undefined>(() => {
    if (!known) return undefined
    const signOut = () => {
      savedToken.write(undefined)
      setKnown(undefined)
      setToken('')
      setEntry({ kind: 'asking', failure: undefined })
    }
    return { ...known, ...parts, signOut }
  }, [known, parts])

  if (!session)
    return entrance(entry, given => {
      // Nothing is typed where somebody only tries again.
      if (given !== '') setToken(given)
      setAttempt(each => each + 1)
    })
  return <Context value={session}>{children}</Context>
}
