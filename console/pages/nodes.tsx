import type { BreakerView, NodeView, Overview } from '../../src/console/wire.ts'
import { Act, ViewerNote } from '../parts/act.tsx'
import { Card, Heading } from '../parts/card.tsx'
import { ConsoleOf } from '../parts/console-of.tsx'
import { bytes, count, percent, seconds } from '../parts/format.ts'
import { Answered } from '../parts/known.tsx'
import { type Level, Status } from '../parts/status.tsx'
import { Table } from '../parts/table.tsx'
import { Time } from '../parts/time.tsx'
import { useReading } from '../state/hooks.ts'

export function NodesPage() {
  const overview = useReading('overview', { everyMs: 1_500 })
  return (
    <>
      <Heading title="Nodes and breakers">
        A breaker stands before each thing that a node depends on. While it rejects, nobody waits for what is
        known to be away.
      </Heading>
      <ViewerNote />
      <Answered reading={overview}>{data => <Nodes overview={data} />}</Answered>
    </>
  )
}

const roles = [
  { role: 'bus', means: 'signals between nodes' },
  { role: 'log', means: 'the hot copy of the ledger' },
  { role: 'jobs', means: 'BullMQ' },
  { role: 'ledger', means: 'Postgres' },
]

function Nodes({ overview: { nodes } }: { overview: Overview }) {
  return (
    <>
      <Card title="Breakers">
        <Table
          caption="Breakers by node"
          rows={nodes}
          keyOf={({ sheet }) => sheet.id}
          empty="No node says anything."
          columns={[
            { name: 'Node', cell: node => <NodeName node={node} /> },
            ...roles.map(({ role }) => ({
              name: role,
              cell: (node: NodeView) => <BreakerCell node={node} role={role} />,
            })),
          ]}
        />
        <h3>Hold one on all nodes</h3>
        <p className="muted">
          “Rejecting” takes load off a server or ends its coming and going; “passing” sends calls although
          probes fail. It lasts until it is released, or a node starts anew.
        </p>
        <div className="stack">
          {roles.map(({ role, means }) => (
            <Holding key={role} role={role} means={means} />
          ))}
        </div>
      </Card>
      <Card title="Nodes">
        <Table
          caption="Nodes"
          rows={nodes}
          keyOf={({ sheet }) => sheet.id}
          empty="No node says anything."
          columns={[
            { name: 'Node', cell: node => <NodeName node={node} /> },
            { name: 'Health', kind: 'name', cell: node => <Health node={node} /> },
            { name: 'Heard', kind: 'name', cell: node => <Heard node={node} /> },
            {
              name: 'Release',
              cell: ({ sheet }) => (
                <span className="nowrap">
                  {sheet.version}{' '}
                  <span className="muted small">Node.js {sheet.runtime.replace(/^v/, '')}</span>
                </span>
              ),
            },
            { name: 'Role', cell: ({ sheet }) => sheet.role },
            { name: 'Configuration', cell: ({ sheet }) => <code className="nowrap">{sheet.config}</code> },
            { name: 'Started', cell: ({ sheet }) => <Time at={sheet.startedAt} /> },
            { name: 'Connections', kind: 'number', cell: ({ sheet }) => count(sheet.connections) },
            { name: 'Channels', kind: 'number', cell: ({ sheet }) => count(sheet.channels) },
            { name: 'Event loop late', kind: 'number', cell: ({ sheet }) => seconds(sheet.eventLoopLag) },
            { name: 'Memory', kind: 'number', cell: ({ sheet }) => percent(sheet.memory) },
            {
              name: 'Waiting for sockets',
              kind: 'number',
              cell: ({ sheet }) => (
                <span title={`the fullest: ${bytes(sheet.mailbox.largest)}`}>
                  {bytes(sheet.mailbox.bytes)}
                </span>
              ),
            },
            {
              name: 'Ledger epoch',
              cell: ({ sheet }) => <code className="nowrap">{sheet.parts.epoch}</code>,
            },
          ]}
        />
      </Card>
    </>
  )
}

function NodeName({ node: { sheet, own } }: { node: NodeView }) {
  return (
    <span className="nowrap">
      <ConsoleOf sheet={sheet} own={own} /> {own ? <span className="tag">this one</span> : null}
    </span>
  )
}

function Heard({ node: { own, heard, via, at } }: { node: NodeView }) {
  if (own) return <Status level="ok">itself</Status>
  return (
    <Status level={heard ? 'ok' : 'bad'}>
      <Time at={at} brief /> over {via === 'postgres' ? 'Postgres' : 'Redis'}
    </Status>
  )
}

function Health({ node: { sheet, heard } }: { node: NodeView }) {
  if (!heard) return <Status level="unknown">was {sheet.health}</Status>
  const level: Level =
    sheet.health === 'ready' ? 'ok' : sheet.health === 'degraded' || sheet.draining ? 'warn' : 'bad'
  const parts = Object.entries(sheet.parts).filter(([name, state]) => name !== 'epoch' && state !== 'ready')
  return (
    <div className="stack">
      <Status level={level}>{sheet.draining ? 'drains' : sheet.health}</Status>
      {parts.length === 0 ? null : (
        <span className="small">{parts.map(([name, state]) => `${name}: ${state}`).join(', ')}</span>
      )}
      {sheet.shedding.length === 0 ? null : (
        <Status level="warn">refuses new connections ({sheet.shedding.join(', ')})</Status>
      )}
      {sheet.advice === null ? null : <span className="small">{sheet.advice}</span>}
    </div>
  )
}

const breakerLevels: Readonly<Record<BreakerView['state'], Level>> = {
  passing: 'ok',
  rejecting: 'bad',
  probing: 'warn',
}

function BreakerCell({ node: { sheet, heard }, role }: { node: NodeView; role: string }) {
  const breaker = sheet.breakers.find(each => each.role === role)
  if (!breaker) return <span className="muted">none</span>
  return (
    <div className="stack">
      <Status level={heard ? breakerLevels[breaker.state] : 'unknown'}>
        {breaker.state}{' '}
        {breaker.heldBy === null ? null : <span className="tag">held by {breaker.heldBy}</span>}
      </Status>
      <span className="muted small">
        changed <Time at={breaker.since} brief />
        {breaker.state === 'passing' || breaker.reason === '' ? '' : `: ${breaker.reason}`}
      </span>
    </div>
  )
}

const acts = [
  { act: 'hold_rejecting', label: 'Hold rejecting', kind: 'danger' },
  { act: 'hold_passing', label: 'Hold passing', kind: 'danger' },
  { act: 'release', label: 'Release', kind: 'primary' },
] as const

function Holding({ role, means }: { role: string; means: string }) {
  return (
    <div className="apart">
      <span>
        <strong>{role}</strong> <span className="muted">{means}</span>
      </span>
      <div className="row">
        {acts.map(({ act, label, kind }) => (
          <Act
            key={act}
            name="breaker"
            body={reason => ({ role, act, ...(reason === undefined ? {} : { reason }) })}
            label={label}
            title={`${label}: ${role}`}
            kind={kind}
            reason="optional"
            explains={explain(role, act)}
          />
        ))}
      </div>
    </div>
  )
}

function explain(role: string, act: (typeof acts)[number]['act']): string {
  if (act === 'release')
    return `The breaker of ${role} decides by itself again, on every node that can be reached.`
  const until = 'on every node that can be reached, until it is released or the node’s process ends'
  return act === 'hold_passing'
    ? `Calls go to ${role} although probes of it fail, ${until}.`
    : `Nothing is sent to ${role}, ${until}: what needs it goes without, at once.`
}
