import type { GroupView } from '../../src/console/wire.ts'
import { Act, ViewerNote } from '../parts/act.tsx'
import { Card, Heading } from '../parts/card.tsx'
import { count, seconds } from '../parts/format.ts'
import { Answered, Known } from '../parts/known.tsx'
import { Status } from '../parts/status.tsx'
import { Table } from '../parts/table.tsx'
import { lagLevel } from '../parts/verdicts.tsx'
import { routeTo } from '../state/address.ts'
import { useReading } from '../state/hooks.ts'

export function GroupsPage() {
  const reading = useReading('groups', { everyMs: 2_000 })
  return (
    <>
      <Heading title="Groups">
        Consumer groups, those of projections, rules and sinks among them. A frozen group leaves everything
        where it is: nothing is lost, and it goes on there.
      </Heading>
      <ViewerNote />
      <Card title="All groups">
        <Answered reading={reading}>
          {({ groups }) => (
            <Known part={groups}>
              {all => (
                <Table
                  caption="Groups"
                  rows={all}
                  keyOf={({ name }) => name}
                  empty="There is no group."
                  columns={[
                    { name: 'Group', kind: 'name', cell: ({ name }) => name },
                    { name: 'State', cell: group => <State group={group} /> },
                    { name: 'Events behind', kind: 'number', cell: ({ lag }) => count(lag.events) },
                    { name: 'Seconds behind', kind: 'number', cell: ({ lag }) => seconds(lag.seconds) },
                    { name: 'Members', kind: 'number', cell: ({ members }) => count(members) },
                    { name: 'Open', cell: group => <Open group={group} /> },
                    { name: 'Mode', cell: ({ mode }) => mode },
                    { name: 'Namespaces', cell: ({ namespaces }) => namespaces?.join(', ') ?? 'all' },
                    { name: 'Freeze', cell: group => <Freeze group={group} /> },
                  ]}
                />
              )}
            </Known>
          )}
        </Answered>
      </Card>
    </>
  )
}

function State({ group: { paused, members, lag } }: { group: GroupView }) {
  if (paused) return <Status level="warn">frozen</Status>
  if (members === 0) return <Status level="warn">nobody works for it</Status>
  return (
    <Status level={lagLevel(lag.events, lag.seconds)}>{lag.events === 0 ? 'up to date' : 'works'}</Status>
  )
}

function Open({ group: { name, open } }: { group: GroupView }) {
  const { parked, retrying, waiting } = open
  if (parked + retrying + waiting === 0) return <span className="muted">none</span>
  return (
    <Status level={parked > 0 ? 'bad' : 'warn'}>
      <a href={routeTo('parked', { consumer: `group/${name}` })}>
        {count(parked)} parked, {count(retrying)} retrying, {count(waiting)} waiting
      </a>
    </Status>
  )
}

function Freeze({ group: { name, paused } }: { group: GroupView }) {
  return (
    <Act
      name="group"
      body={reason => ({
        group: name,
        act: paused ? 'resume' : 'pause',
        ...(reason === undefined ? {} : { reason }),
      })}
      label={paused ? 'Unfreeze' : 'Freeze'}
      title={`${paused ? 'Unfreeze' : 'Freeze'} ${name}`}
      reason="optional"
      explains={
        paused
          ? 'Its workers go on where it stands.'
          : 'Its workers stop where they are, after what they have in hand. Retention keeps what it has not had.'
      }
    />
  )
}
