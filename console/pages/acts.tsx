import { type FormEvent, useState } from 'react'
import type { ActView } from '../../src/console/wire.ts'
import { Card, Heading, Note } from '../parts/card.tsx'
import { Answered, Known } from '../parts/known.tsx'
import { type Level, Status } from '../parts/status.tsx'
import { Table } from '../parts/table.tsx'
import { Time } from '../parts/time.tsx'
import { useAsk, useReading } from '../state/hooks.ts'
import { refine } from '../state/route.ts'

const mostOlder = 1_000

export function ActsPage({ query }: { query: URLSearchParams }) {
  const actor = query.get('actor') ?? ''
  const target = query.get('target') ?? ''
  const search = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    refine('acts', { actor: String(form.get('actor')).trim(), target: String(form.get('target')).trim() })
  }
  return (
    <>
      <Heading title="Audit log">
        Every decision of a person, here, over the API or on the command line: who, what, to what, why, and
        how it ended. Tailing a channel is one, too.
      </Heading>
      <form className="form" key={`${actor} ${target}`} onSubmit={search}>
        <label className="field wide">
          <span>Who</span>
          <input name="actor" data-search defaultValue={actor} spellCheck={false} />
        </label>
        <label className="field wide">
          <span>To what</span>
          <input name="target" defaultValue={target} spellCheck={false} />
        </label>
        <button type="submit" className="primary">
          Filter
        </button>
      </form>
      <Acts key={`acts ${actor} ${target}`} actor={actor} target={target} />
    </>
  )
}

function Acts({ actor, target }: { actor: string; target: string }) {
  const reading = useReading('acts', { wish: { actor, target, limit: 50 }, everyMs: 3_000 })
  const [older, setOlder] = useState<{ acts: readonly ActView[]; next: number | null } | undefined>()
  const [problem, setProblem] = useState('')
  const ask = useAsk()
  const more = async (before: number) => {
    const outcome = await ask('acts', { actor, target, limit: 100, before })
    if (outcome.kind === 'failure') return setProblem(outcome.failure.message)
    const { acts, next } = outcome.body
    setProblem(acts.problem ?? '')
    setOlder({ acts: [...(older?.acts ?? []), ...(acts.value ?? [])].slice(0, mostOlder), next })
  }
  return (
    <Card title="Acts" aside={<span className="muted small">the newest first</span>}>
      <Answered reading={reading}>
        {({ acts, next }) => (
          <Known part={acts}>
            {newest => {
              const known = new Set(newest.map(({ id }) => id))
              const all = [...newest, ...(older?.acts ?? []).filter(({ id }) => !known.has(id))]
              const before = older ? older.next : next
              return (
                <>
                  <Table
                    caption="Acts"
                    rows={all}
                    keyOf={({ id }) => id}
                    empty="Nobody has done anything of the kind."
                    columns={[
                      { name: 'When', cell: ({ time }) => <Time at={time} /> },
                      { name: 'Who', cell: each => each.actor },
                      { name: 'What', cell: ({ act }) => act },
                      { name: 'To what', kind: 'name', cell: each => each.target },
                      { name: 'Why', kind: 'name', cell: ({ reason }) => reason ?? '' },
                      { name: 'Outcome', cell: ({ outcome }) => <Outcome outcome={outcome} /> },
                    ]}
                  />
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

function Outcome({ outcome }: { outcome: string }) {
  const level: Level = outcome === 'done' ? 'ok' : outcome.startsWith('refused') ? 'warn' : 'bad'
  return <Status level={level}>{outcome}</Status>
}
