import type { FormEvent } from 'react'
import type { ActView } from '../../src/console/wire.ts'
import { Heading } from '../parts/card.tsx'
import { Newest } from '../parts/newest.tsx'
import { type Level, Status } from '../parts/status.tsx'
import { Table } from '../parts/table.tsx'
import { Time } from '../parts/time.tsx'
import { refine } from '../state/route.ts'

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
      <Newest
        key={`acts ${actor} ${target}`}
        name="acts"
        title="Acts"
        wish={{ actor, target }}
        rowsOf={({ acts }) => acts}
      >
        {acts => <Acts acts={acts} />}
      </Newest>
    </>
  )
}

function Acts({ acts }: { acts: readonly ActView[] }) {
  return (
    <Table
      caption="Acts"
      rows={acts}
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
  )
}

function Outcome({ outcome }: { outcome: string }) {
  const level: Level = outcome.startsWith('done') ? 'ok' : outcome.startsWith('refused') ? 'warn' : 'bad'
  return <Status level={level}>{outcome}</Status>
}
