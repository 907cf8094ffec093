import type { NamespaceView } from '../../src/console/wire.ts'
import { Act, ViewerNote } from '../parts/act.tsx'
import { Card, Heading, Note } from '../parts/card.tsx'
import { count } from '../parts/format.ts'
import { Answered } from '../parts/known.tsx'
import { Status } from '../parts/status.tsx'
import { Table } from '../parts/table.tsx'
import { Time } from '../parts/time.tsx'
import { useReading } from '../state/hooks.ts'

export function NamespacesPage() {
  const reading = useReading('namespaces', { everyMs: 2_000 })
  return (
    <>
      <Heading title="Namespaces">
        A namespace that is read-only takes no publications and no appends, on any node, until somebody takes
        that back. What was recorded is delivered and replayed as always.
      </Heading>
      <ViewerNote />
      <Card title="All namespaces">
        <Answered reading={reading}>
          {({ namespaces, switches }) => (
            <>
              {switches.problem === null ? null : (
                <Note level="warn">
                  The switches are those of <Time at={switches.at} />: {switches.problem}.
                </Note>
              )}
              <Table
                caption="Namespaces"
                rows={namespaces}
                keyOf={({ name }) => name}
                empty="No namespace is configured."
                columns={[
                  { name: 'Namespace', kind: 'name', cell: ({ name }) => name },
                  { name: 'Tier', cell: ({ tier }) => tier },
                  { name: 'State', cell: namespace => <State namespace={namespace} /> },
                  { name: 'Channels here', kind: 'number', cell: ({ channels }) => count(channels) },
                  {
                    name: 'Subscriptions here',
                    kind: 'number',
                    cell: ({ subscriptions }) => count(subscriptions),
                  },
                  { name: 'Switch', cell: namespace => <Switch namespace={namespace} /> },
                ]}
              />
            </>
          )}
        </Answered>
      </Card>
    </>
  )
}

/** Reserved for canaries: without them nobody knows whether a tier delivers. */
const ofCanaries = (name: string) => name.startsWith('~')

function State({ namespace: { name, readOnly } }: { namespace: NamespaceView }) {
  if (!readOnly)
    return <Status level="ok">takes publications{ofCanaries(name) ? ' of canaries alone' : ''}</Status>
  return (
    <Status level="warn">
      read-only <Time at={readOnly.since} brief /> by {readOnly.by}
      {readOnly.reason === null ? '' : `: ${readOnly.reason}`}
    </Status>
  )
}

function Switch({ namespace: { name, readOnly } }: { namespace: NamespaceView }) {
  const next = readOnly === null
  if (next && ofCanaries(name)) return null
  return (
    <Act
      name="namespace"
      body={reason => ({ namespace: name, readOnly: next, ...(reason === undefined ? {} : { reason }) })}
      label={next ? 'Make read-only' : 'Take it back'}
      title={`${next ? 'Make read-only' : 'Take it back'}: ${name}`}
      reason={next ? 'required' : 'optional'}
      kind={next ? 'danger' : 'primary'}
      explains={
        next
          ? 'Every publish and append to its channels is refused, with a code that says why. It stays so over restarts.'
          : 'Its channels take publications again, on all nodes.'
      }
    />
  )
}
