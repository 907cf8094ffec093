import type { MarkKind } from '../../src/console/wire.ts'
import { Heading } from '../parts/card.tsx'
import { MarkList } from '../parts/lines.tsx'
import { Newest } from '../parts/newest.tsx'
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
      <Newest key={kind} name="marks" title="Marks" wish={{ kind }} rowsOf={({ marks }) => marks}>
        {marks => <MarkList marks={marks} empty="Nothing of this kind for as long as is remembered." />}
      </Newest>
    </>
  )
}
