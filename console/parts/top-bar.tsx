import { useEffect } from 'react'
import type { Overview, Source } from '../../src/console/wire.ts'
import { routeTo } from '../state/address.ts'
import { useNow } from '../state/hooks.ts'
import { type Problem, problemsOf } from '../state/problems.ts'
import type { Reading } from '../state/readings.ts'
import { useSession } from '../state/session.tsx'
import { useTheme } from '../state/theme.tsx'
import { ago, plural } from './format.ts'
import { type Level, Status } from './status.tsx'

const sourceLabels: Readonly<Record<Source['name'], string>> = {
  node: 'this node',
  bus: 'other nodes',
  postgres: 'Postgres',
}

/** What everybody has to know on whichever page: the worst of it in one line, and which sources answer. */
export function TopBar({
  reading,
  page,
  menuOpen,
  onMenu,
  onHelp,
}: {
  reading: Reading<Overview>
  page: string
  menuOpen: boolean
  onMenu: () => void
  onHelp: () => void
}) {
  const { me, signOut } = useSession()
  const { wished, next } = useTheme()
  const { data, failure } = reading
  const said = failure
    ? unanswered(reading)
    : data
      ? verdictOf(problemsOf(data))
      : { level: 'unknown' as const, says: 'Asking …' }
  useEffect(() => {
    const sign = said.level === 'ok' || said.level === 'info' ? '' : said.level === 'bad' ? '✕ ' : '▲ '
    document.title = `${sign}${page} – Holdfast console`
  }, [said.level, page])
  return (
    <header className="top">
      <button
        type="button"
        className="menu-button"
        aria-expanded={menuOpen}
        aria-controls="side"
        onClick={onMenu}
      >
        Menu
      </button>
      <div className="verdict" role="status">
        <Status level={said.level}>
          {said.to ? (
            <a href={said.to} className="verdict-link">
              {said.says}
            </a>
          ) : (
            said.says
          )}
        </Status>
      </div>
      <Sources reading={reading} />
      <div className="tools">
        <button type="button" className="plain" onClick={next} title="Colours: as the system, light, dark">
          {wished === 'system' ? 'Auto' : wished === 'dark' ? 'Dark' : 'Light'}
          <span className="hidden-text"> colours; change</span>
        </button>
        <button type="button" className="plain" onClick={onHelp} aria-label="Keys and help">
          ?
        </button>
        {me.open ? null : (
          <button type="button" className="plain" onClick={signOut}>
            Sign out
          </button>
        )}
      </div>
    </header>
  )
}

interface Said {
  readonly level: Level
  readonly says: string
  readonly to?: string
}

function verdictOf(problems: readonly Problem[]): Said {
  const [first, ...others] = problems
  if (!first) return { level: 'ok', says: 'Nothing is lost, both tiers deliver, all breakers pass' }
  const all = others.length + 1
  const says = all === 1 ? first.says : `${plural(all, 'thing')} to look at. First: ${first.says}`
  return { level: first.level, says, to: all === 1 ? first.to : routeTo('now') }
}

function unanswered({ failure, data }: Reading<Overview>): Said {
  const old = data ? 'what is shown is old' : 'nothing is known'
  return { level: 'bad', says: `No answer, ${old}: ${failure?.message}` }
}

function Sources({ reading: { data, receivedAt, failure } }: { reading: Reading<Overview> }) {
  const now = useNow()
  const { skewMs } = useSession()
  // Room for it is kept from the beginning, so that nothing moves when the first answer comes.
  if (!data) return <div className="sources small muted">Sources: not known yet</div>
  return (
    <ul className="sources small" aria-label="Sources of what is shown">
      {data.sources
        .filter(({ state }) => state !== 'not_configured')
        .map(({ name, state, answeredAt }) => {
          const silent = state === 'silent' || (name === 'node' && failure !== undefined)
          const at = name === 'node' && receivedAt !== undefined ? receivedAt + skewMs : answeredAt
          return (
            <li key={name}>
              <Status level={silent ? 'bad' : 'ok'}>
                {sourceLabels[name]}
                {silent ? (at === null ? ' silent' : ` silent, last ${ago(at, now)}`) : ''}
              </Status>
            </li>
          )
        })}
    </ul>
  )
}
