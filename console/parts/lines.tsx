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
      {runs(marks).map(({ mark, times }) => (
        <li key={mark.id}>
          <Status level={levelOfMark(mark)}>
            <span className="plain-text">
              {mark.says}
              {times === 1 ? null : <strong> ×{times}</strong>}
              {mark.node === null ? null : <span className="muted"> · {mark.node}</span>}
            </span>
          </Status>
          <Time at={mark.time} />
        </li>
      ))}
    </ul>
  )
}

interface Line {
  readonly mark: Mark
  times: number
}

/** What comes again and again, as a breaker that comes and goes for one reason, is one line with the time of the latest. */
function runs(marks: readonly Mark[]): readonly Line[] {
  const lines: Line[] = []
  const latest = new Map<string, Line>()
  for (const mark of marks) {
    const place = `${mark.kind} ${mark.node} ${mark.details['role'] ?? ''}`
    const line = latest.get(place)
    if (line?.mark.says === mark.says) {
      line.times++
      continue
    }
    const made = { mark, times: 1 }
    latest.set(place, made)
    lines.push(made)
  }
  return lines
}

function levelOfMark({ kind, details }: Mark): Level {
  // What is over is no warning, although it belongs among the changes.
  if (details['state'] === 'passing' || details['state'] === 'ready') return 'ok'
  if (kind === 'audit') return Number(details['lost'] ?? 0) > 0 ? 'bad' : 'info'
  return levels[kind] ?? 'info'
}
