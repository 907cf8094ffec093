import type { LagView } from '../../src/console/wire.ts'
import { Card, Heading } from '../parts/card.tsx'
import { count, seconds } from '../parts/format.ts'
import { Answered, Known } from '../parts/known.tsx'
import { Status } from '../parts/status.tsx'
import { Table } from '../parts/table.tsx'
import { furthestFirst, lagLevel } from '../parts/verdicts.tsx'
import { routeTo } from '../state/address.ts'
import { useReading } from '../state/hooks.ts'

const parts: Readonly<Record<LagView['part'], { means: string; page?: string }>> = {
  mirror: { means: 'the hot copy in Redis, behind the ledger' },
  group: { means: 'a consumer group', page: 'groups' },
  projection: { means: 'a read model', page: 'projections' },
  outbox: { means: 'what applications committed and the ledger has not', page: 'jobs' },
  job: { means: 'what a rule owes', page: 'jobs' },
  cursor: { means: 'users, of those furthest behind' },
  event_loop: { means: 'a process that has too much to do', page: 'nodes' },
  postgres_standby: { means: 'a copy of Postgres' },
}

export function LagsPage() {
  const reading = useReading('lags', { everyMs: 2_000 })
  return (
    <>
      <Heading title="Which part lags?">
        The furthest behind first. Seconds are the age of the oldest event that a part has not reached.
      </Heading>
      <Card title="Parts">
        <Answered reading={reading}>
          {({ lags, nodes }) => (
            <Known part={lags} otherwise={<LagTable all={nodes.value ?? []} />}>
              {stored => <LagTable all={furthestFirst([...stored, ...(nodes.value ?? [])])} />}
            </Known>
          )}
        </Answered>
      </Card>
    </>
  )
}

function LagTable({ all }: { all: readonly LagView[] }) {
  return (
    <Table
      caption="How far each part is behind"
      rows={all}
      keyOf={({ part, name }) => `${part} ${name}`}
      empty="No part is known that could lag."
      columns={[
        {
          name: 'Part',
          cell: ({ part, events, seconds: late }) => (
            <Status level={lagLevel(events, late)}>{part.replace('_', ' ')}</Status>
          ),
        },
        // The answer itself stands first, where a narrow page shows it without being moved.
        { name: 'Behind by', kind: 'number', cell: ({ seconds: late }) => seconds(late) },
        { name: 'Name', kind: 'name', cell: lag => <Name lag={lag} /> },
        { name: 'Events', kind: 'number', cell: ({ events }) => count(events) },
        { name: 'Besides', cell: ({ note }) => note ?? '' },
        { name: 'What it is', kind: 'name', cell: ({ part }) => parts[part].means },
      ]}
    />
  )
}

function Name({ lag: { part, name } }: { lag: LagView }) {
  const page = parts[part].page
  return page ? <a href={routeTo(page)}>{name}</a> : <span>{name}</span>
}
