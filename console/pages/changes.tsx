import { useState } from 'react'
import type { Mark, MarkKind } from '../../src/console/wire.ts'
import { Card, Heading, Note } from '../parts/card.tsx'
import { Answered, Known } from '../parts/known.tsx'
import { MarkList } from '../parts/lines.tsx'
import { useAsk, useReading } from '../state/hooks.ts'
import { refine } from '../state/route.ts'

const kinds: readonly (readonly [MarkKind, string])[] = [
  ['node_started', 'starts'],
  ['node_stopped', 'stops'],
  ['version_changed', 'releases'],
  ['config_changed', 'configurations'],
  ['breaker', 'breakers'],
  ['ledger_state', 'states of the ledger'],
  ['ledger_server', 'failovers of Postgres'],
  ['epoch', 'epochs'],
  ['projection_switched', 'switched projections'],
  ['act', 'decisions of people'],
  ['audit', 'audits'],
]

/** As many as one may want to scroll through; older ones are in the database. */
const mostOlder = 1_000

export function ChangesPage({ query }: { query: URLSearchParams }) {
  const kind = query.get('kind') ?? ''
  return (
    <>
      <Heading
        title="What changed?"
        tools={
          <label className="row">
            Show
            <select
              data-search
              value={kind}
              onChange={event => refine('changes', { kind: event.target.value })}
            >
              <option value="">everything</option>
              {kinds.map(([value, name]) => (
                <option key={value} value={value}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        }
      >
        Starts, releases, configurations, breakers, failovers, switches of read models and what people
        decided. The same marks stand in the charts of the rates.
      </Heading>
      <Changes key={kind} kind={kind} />
    </>
  )
}

function Changes({ kind }: { kind: string }) {
  const reading = useReading('marks', { wish: { kind, limit: 50 }, everyMs: 3_000 })
  const [older, setOlder] = useState<{ marks: readonly Mark[]; next: number | null } | undefined>()
  const [problem, setProblem] = useState('')
  const ask = useAsk()
  const more = async (before: number) => {
    const outcome = await ask('marks', { kind, limit: 100, before })
    if (outcome.kind === 'failure') return setProblem(outcome.failure.message)
    const { marks, next } = outcome.body
    setProblem(marks.problem ?? '')
    setOlder({ marks: [...(older?.marks ?? []), ...(marks.value ?? [])].slice(0, mostOlder), next })
  }
  return (
    <Card title="Marks" aside={<span className="muted small">the newest first</span>}>
      <Answered reading={reading}>
        {({ marks, next }) => (
          <Known part={marks}>
            {newest => {
              const all = merged(newest, older?.marks ?? [])
              const before = older ? older.next : next
              return (
                <>
                  <MarkList marks={all} empty="Nothing of this kind for as long as is remembered." />
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

function merged(newest: readonly Mark[], older: readonly Mark[]): Mark[] {
  const known = new Set(newest.map(({ id }) => id))
  return [...newest, ...older.filter(({ id }) => !known.has(id))]
}
