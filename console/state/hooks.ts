import { createContext, useCallback, useContext, useEffect, useState, useSyncExternalStore } from 'react'
import type { Reads, Writes } from '../../src/console/wire.ts'
import type { Wish } from './address.ts'
import type { Outcome } from './api.ts'
import type { Reading } from './readings.ts'
import { useSession } from './session.tsx'

/** The last answer to a question, asked again every so often for as long as it is shown. Without a name nothing is asked. */
export function useReading<Name extends keyof Reads>(
  name: Name,
  { wish = {}, everyMs = 2_000 }: { wish?: Wish; everyMs?: number } = {},
): Reading<Reads[Name]> & { again(): void } {
  const { readings } = useSession()
  const path = pathOf(name, wish)
  const watch = useCallback(
    (changed: () => void) => readings.watch(path, everyMs, changed),
    [readings, path, everyMs],
  )
  const reading = useSyncExternalStore(watch, () => readings.read(path)) as Reading<Reads[Name]>
  const again = useCallback(() => readings.again(path), [readings, path])
  return { ...reading, again }
}

function pathOf(name: string, wish: Wish): string {
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries(wish))
    if (value !== undefined && value !== '') query.set(key, String(value))
  const text = query.toString()
  return `/${name}${text === '' ? '' : `?${text}`}`
}

/** Asks once, when somebody wants it: for what costs the nodes something. */
export function useAsk(): <Name extends keyof Reads>(
  name: Name,
  wish?: Wish,
) => Promise<Outcome<Reads[Name]>> {
  const { api } = useSession()
  return useCallback(
    <Name extends keyof Reads>(name: Name, wish: Wish = {}) =>
      api.get<Reads[Name]>(pathOf(name, wish), undefined, Number(wish['seconds'] ?? 0) * 1_000),
    [api],
  )
}

/** Changes something. What the page shows of it is asked for again at once. */
export function useAct(): <Name extends keyof Writes>(
  name: Name,
  body: Writes[Name]['body'],
) => Promise<Outcome<Writes[Name]['answer']>> {
  const { api, readings } = useSession()
  return useCallback(
    async <Name extends keyof Writes>(name: Name, body: Writes[Name]['body']) => {
      const outcome = await api.post<Writes[Name]['answer']>(`/${name}`, body)
      readings.againAll('/')
      return outcome
    },
    [api, readings],
  )
}

export const NowContext = createContext(0)

/** The server's time, to the second. */
export function useNow(): number {
  return useContext(NowContext)
}

export function useTicking(skewMs: number): number {
  const [now, setNow] = useState(() => Date.now() + skewMs)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now() + skewMs), 1_000)
    return () => clearInterval(timer)
  }, [skewMs])
  return now
}
