import type { Mark } from '../../src/console/wire.ts'
import type { Level } from './status.tsx'
import { Status } from './status.tsx'
import { Time } from './time.tsx'

const levels: Readonly<Partial<Record<Mark['kind'], Level>>> = {
  epoch: 'warn',
  ledger_state: 'warn',
  breaker: 'warn',
}

/** What has changed, the newest first. */
export function MarkList({ marks, empty }: { marks: readonly Mark[]; empty: string }) {
  if (marks.length === 0) return <p className="empty">{empty}</p>
  return (
    <ul className="lines">
      {marks.map(mark => (
        <li key={mark.id}>
          <Status level={levelOfMark(mark)}>
            <span className="plain-text">
              {mark.says}
              {mark.node === null ? null : <span className="muted"> · {mark.node}</span>}
            </span>
          </Status>
          <Time at={mark.time} />
        </li>
      ))}
    </ul>
  )
}

function levelOfMark({ kind, details }: Mark): Level {
  // What is over is no warning, although it belongs among the changes.
  if (details['state'] === 'passing' || details['state'] === 'ready') return 'ok'
  if (kind === 'audit') return Number(details['lost'] ?? 0) > 0 ? 'bad' : 'info'
  return levels[kind] ?? 'info'
}
