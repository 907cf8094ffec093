import { type ReactNode, useState } from 'react'
import type { Part, Reads } from '../../src/console/wire.ts'
import type { Wish } from '../state/address.ts'
import { useAsk, useReading } from '../state/hooks.ts'
import { Card, Note } from './card.tsx'
import { Answered, Known } from './known.tsx'

/** As many as one may want to scroll through; older ones are in the database. */
const mostOlder = 1_000

/** What has happened: the newest rows by themselves, older ones when somebody wants them. */
export function Newest<Name extends 'acts' | 'marks', Row extends { readonly id: string | number }>({
  name,
  title,
  wish,
  rowsOf,
  children,
}: {
  name: Name
  title: string
  wish: Wish
  rowsOf: (answer: Reads[Name]) => Part<readonly Row[]>
  children: (rows: readonly Row[]) => ReactNode
}) {
  const reading = useReading(name, { wish: { ...wish, limit: 50 }, everyMs: 3_000 })
  const [older, setOlder] = useState<{ rows: readonly Row[]; next: number | null } | undefined>()
  const [problem, setProblem] = useState('')
  const ask = useAsk()
  const more = async (before: number) => {
    const outcome = await ask(name, { ...wish, limit: 100, before })
    if (outcome.kind === 'failure') return setProblem(outcome.failure.message)
    const part = rowsOf(outcome.body)
    setProblem(part.problem ?? '')
    // What Postgres did not tell is asked for again from the same place.
    const next = part.problem === null ? outcome.body.next : before
    setOlder({ rows: [...(older?.rows ?? []), ...(part.value ?? [])].slice(0, mostOlder), next })
  }
  return (
    <Card title={title} aside={<span className="muted small">the newest first</span>}>
      <Answered reading={reading}>
        {answer => (
          <Known part={rowsOf(answer)}>
            {newest => {
              const known = new Set(newest.map(({ id }) => id))
              const all = [...newest, ...(older?.rows ?? []).filter(({ id }) => !known.has(id))]
              const before = older ? older.next : answer.next
              return (
                <>
                  {children(all)}
                  {problem === '' ? null : <Note level="warn">{problem}</Note>}
                  {before === null || all.length >= mostOlder ? null : (
                    <div>
                      <button type="button" onClick={() => void more(before)}>
                        Show older ones
                      </button>
                    </div>
                  )}
                </>
              )
            }}
          </Known>
        )}
      </Answered>
    </Card>
  )
}
