import { useClientState } from '@holdfast/client/react'
import { useEffect, useRef, useState } from 'react'
import type { Seen } from './call.ts'

type Able = 'works' | 'here' | 'waits'

const words: Readonly<Record<Able, string>> = { works: 'works', here: 'this node only', waits: 'waits' }

/** What works now and what does not, as the client, the node that it is connected to and the pictures say. */
export function Banner({ seen }: { seen: readonly Seen[] }) {
  const { state, server } = useClientState()
  const [back, setBack] = useState(false)
  const met = useRef(false)
  const trouble = useRef(false)
  const whole = useRef(false)
  const connected = state !== 'connecting' && state !== 'closed'
  const local = server?.realtime === 'local'
  const ledger = server?.durable !== 'unavailable'
  const fine = connected && !local && ledger && server?.durable !== 'slow'

  useEffect(() => {
    // Who has only come has lost nothing yet.
    met.current ||= connected
    whole.current ||= connected && !local
    if (!fine) {
      trouble.current ||= met.current
      setBack(false)
      return
    }
    if (!trouble.current) return
    trouble.current = false
    setBack(true)
    const timer = setTimeout(() => setBack(false), 8_000)
    return () => clearTimeout(timer)
  }, [fine, connected, local])

  if (fine ? !back : !connected && !met.current) return null
  if (fine) {
    return (
      <p className="banner good" role="status">
        <b>All is back.</b> Chat and decisions have missed nothing; cursors and typing of meanwhile are gone,
        as promised.
      </p>
    )
  }
  const signals: Able = connected ? (local ? 'here' : 'works') : 'waits'
  const facts: Able = connected && ledger ? 'works' : 'waits'
  const rows: readonly (readonly [string, Able, string?])[] = [
    ['Video', ...video(seen, signals, whole.current)],
    ['Chat and decisions', facts],
    ['Cursors and typing', signals],
    ['Who is here', signals],
    ['Earthquakes', connected && ledger ? signals : 'waits'],
  ]
  return (
    <div className="banner bad" role="status">
      <p>{headline(connected, local, ledger)}</p>
      <ul>
        {rows.map(([what, able, word = words[able]]) => (
          <li key={what} className={able}>
            {what}: <b>{word}</b>
          </li>
        ))}
      </ul>
    </div>
  )
}

/**
 * Pictures that have come go on by themselves. Those that have not are found by signals, and so is nobody of other nodes by
 * whom came when these were already out of reach: `whole` is false.
 */
function video(seen: readonly Seen[], signals: Able, whole: boolean): readonly [Able, string?] {
  const shown = seen.filter(({ connected }) => connected).length
  if (seen.length === 0) return [signals]
  if (shown === seen.length) return [whole ? 'works' : 'here']
  return shown === 0 ? [signals === 'works' ? 'waits' : signals] : ['here', `with ${shown} of ${seen.length}`]
}

function headline(connected: boolean, local: boolean, ledger: boolean): string {
  if (!connected) return 'The connection is lost. What you write is kept, and sent when it is back.'
  if (!ledger) return 'Postgres is away. What you write is kept, and recorded when it is back.'
  if (local)
    return 'Redis is away. The nodes cannot hear each other; what is recorded reaches everyone all the same.'
  return 'Redis is coming back. Recorded events are read from Postgres meanwhile, a little later.'
}
