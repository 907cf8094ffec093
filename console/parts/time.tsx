import { useNow } from '../state/hooks.ts'
import { ago, clock, unknown } from './format.ts'

/** How long ago, and when: the first is read at once, the second is what gets into the report of the night. */
export function Time({ at, brief = false }: { at: number | null | undefined; brief?: boolean }) {
  const now = useNow()
  if (at === null || at === undefined) return <span>{unknown}</span>
  const date = new Date(at)
  return (
    <time dateTime={date.toISOString()} title={date.toISOString()} className="nowrap">
      {ago(at, now)}
      {brief ? null : <span className="muted small"> · {clock(at, now)}</span>}
    </time>
  )
}
