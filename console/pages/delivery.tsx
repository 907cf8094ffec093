import type { NodeView, Overview, ProbeView } from '../../src/console/wire.ts'
import { Card, Heading } from '../parts/card.tsx'
import { count, plural, seconds } from '../parts/format.ts'
import { Answered } from '../parts/known.tsx'
import { type Level, Status } from '../parts/status.tsx'
import { Table } from '../parts/table.tsx'
import { Time } from '../parts/time.tsx'
import { LostCard, TierCard } from '../parts/verdicts.tsx'
import { useReading } from '../state/hooks.ts'

export function DeliveryPage() {
  const overview = useReading('overview', { everyMs: 1_500 })
  return (
    <>
      <Heading title="Loss and delivery">
        Canaries publish and append on every node over the way that clients take, and listen to themselves and
        to other nodes. The auditor compares what was acknowledged with the ledger, the mirror and what
        subscribers got.
      </Heading>
      <Answered reading={overview}>{data => <Delivery overview={data} />}</Answered>
    </>
  )
}

const paths: Readonly<Record<string, string>> = {
  connect: 'a new connection',
  accept: 'accepted or recorded',
  local: 'delivered by its own node',
  other: 'delivered by another node',
}

function Delivery({ overview }: { overview: Overview }) {
  // From the sheets, because connecting belongs to neither tier.
  const probes = overview.nodes
    .filter(({ heard }) => heard)
    .flatMap(({ sheet }) => sheet.probes.map(probe => ({ node: sheet.name, ...probe })))
  const audits = overview.nodes.filter(({ sheet }) => sheet.audit !== null)
  return (
    <>
      <div className="cards">
        <LostCard lost={overview.lost} />
        <TierCard tier="Realtime" verdict={overview.tiers.realtime} />
        <TierCard tier="Durable" verdict={overview.tiers.durable} />
      </div>
      <Card title="Canaries of the last minute">
        <Table
          caption="Canaries by node, tier and path"
          rows={probes}
          keyOf={({ node, tier, path }) => `${node} ${tier} ${path}`}
          empty="No node says anything about canaries: they are off (prober.enabled), or have just begun."
          columns={[
            { name: 'Node', cell: probe => probe.node },
            { name: 'Tier', cell: probe => probe.tier ?? 'both' },
            { name: 'What', cell: probe => paths[probe.path] ?? probe.path },
            {
              name: 'Verdict',
              cell: probe => <Status level={probeLevel(probe)}>{probeWord(probe)}</Status>,
            },
            { name: 'Succeeded', kind: 'number', cell: probe => count(probe.succeeded) },
            { name: 'Failed', kind: 'number', cell: probe => count(probe.failed) },
            { name: 'As expected now', kind: 'number', cell: probe => count(probe.degraded) },
            {
              name: 'Latency',
              kind: 'number',
              cell: probe => seconds(probe.latencyMs === null ? null : probe.latencyMs / 1_000),
            },
            { name: 'Last success', cell: probe => <Time at={probe.at} brief /> },
            { name: 'Last failure', cell: probe => probe.reason ?? '' },
          ]}
        />
      </Card>
      <Card title="Audits">
        <Table
          caption="Audits by node"
          rows={audits}
          keyOf={({ sheet }) => sheet.id}
          empty="No node has audited yet."
          columns={[
            { name: 'Node', cell: ({ sheet }) => sheet.name },
            { name: 'Lost', kind: 'number', cell: node => <Lost node={node} /> },
            { name: 'Checked', kind: 'number', cell: ({ sheet }) => count(sheet.audit?.checked) },
            { name: 'Mismatches', cell: ({ sheet }) => mismatches(sheet.audit?.mismatches ?? {}) },
            { name: 'Complete audit', cell: ({ sheet }) => <Time at={sheet.audit?.completedAt} /> },
            { name: 'Now', cell: ({ sheet }) => (sheet.audit?.running ? 'audits' : 'rests') },
          ]}
        />
      </Card>
    </>
  )
}

function Lost({ node: { sheet } }: { node: NodeView }) {
  const lost = sheet.audit?.lost ?? 0
  return <Status level={lost > 0 ? 'bad' : 'ok'}>{count(lost)}</Status>
}

function mismatches(kinds: Readonly<Record<string, number>>): string {
  const all = Object.entries(kinds).filter(([, found]) => found > 0)
  return all.length === 0 ? 'none' : all.map(([kind, found]) => `${kind}: ${count(found)}`).join(', ')
}

function probeLevel({ succeeded, failed, degraded }: ProbeView): Level {
  if (failed > 0) return 'bad'
  if (degraded > 0) return 'warn'
  return succeeded > 0 ? 'ok' : 'unknown'
}

function probeWord({ succeeded, failed, degraded }: ProbeView): string {
  if (failed > 0) return `${plural(failed, 'failure')}`
  if (degraded > 0) return 'not now, as expected'
  return succeeded > 0 ? 'works' : 'nothing yet'
}
