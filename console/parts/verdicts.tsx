import type { LagView, LostVerdict, NodeView, TierVerdict } from '../../src/console/wire.ts'
import { routeTo } from '../state/address.ts'
import { useReading } from '../state/hooks.ts'
import { levelOf } from '../state/problems.ts'
import { Card } from './card.tsx'
import { count, plural, seconds } from './format.ts'
import { Answered, Known } from './known.tsx'
import { type Level, Status } from './status.tsx'
import { Time } from './time.tsx'

const lostWords = {
  good: 'Nothing is lost',
  bad: 'Something is lost',
  degraded: 'In doubt',
  unknown: 'Not known',
}

export function LostCard({ lost }: { lost: LostVerdict }) {
  const level = levelOf[lost.verdict]
  return (
    <Card
      title="Is anything acknowledged lost?"
      to={routeTo('delivery')}
      level={level}
      footer={
        lost.auditedAt === null ? (
          'No complete audit is known.'
        ) : (
          <>
            Last complete audit <Time at={lost.auditedAt} />
          </>
        )
      }
    >
      <p className="status-line">
        <Status level={level}>
          <strong>{lostWords[lost.verdict]}</strong>
        </Status>
      </p>
      <p>{lost.says}</p>
      {lost.checked === null ? null : (
        <p className="muted">
          {count(lost.lost)} lost of {count(lost.checked)} checked
        </p>
      )}
    </Card>
  )
}

const tierWords = {
  good: 'Delivers',
  bad: 'Does not deliver',
  degraded: 'Delivers in part',
  unknown: 'Not known',
}

export function TierCard({ tier, verdict }: { tier: string; verdict: TierVerdict }) {
  const level = levelOf[verdict.verdict]
  const latencies = verdict.probes.flatMap(({ latencyMs }) => (latencyMs === null ? [] : [latencyMs]))
  const failed = verdict.probes.reduce((sum, each) => sum + each.failed, 0)
  const all = verdict.probes.reduce((sum, each) => sum + each.succeeded + each.failed + each.degraded, 0)
  return (
    <Card
      title={`Does ${tier.toLowerCase()} deliver?`}
      to={routeTo('delivery')}
      level={level}
      footer={
        latencies.length === 0
          ? 'No canary has been heard within the minute.'
          : `Slowest canary ${seconds(Math.max(...latencies) / 1_000)}`
      }
    >
      <p className="status-line">
        <Status level={level}>
          <strong>{tierWords[verdict.verdict]}</strong>
        </Status>
      </p>
      <p>{verdict.says}</p>
      {all === 0 ? null : (
        <p className="muted">
          {count(failed)} of {count(all)} canaries failed within the minute
        </p>
      )}
    </Card>
  )
}

export function BreakersCard({ nodes }: { nodes: readonly NodeView[] }) {
  const heard = nodes.filter(node => node.heard)
  const open = openBreakers(heard)
  const held = heard.flatMap(({ sheet }) => sheet.breakers.filter(({ heldBy }) => heldBy !== null)).length
  const level: Level = heard.length === 0 ? 'unknown' : open.length > 0 ? 'bad' : held > 0 ? 'warn' : 'ok'
  return (
    <Card
      title="Which breaker, on which node?"
      to={routeTo('nodes')}
      level={level}
      footer={`${heard.length} of ${nodes.length} nodes heard${held > 0 ? `, ${held} held by hand` : ''}`}
    >
      <p className="status-line">
        <Status level={level}>
          <strong>{open.length === 0 ? 'All pass' : open.map(({ role }) => role).join(', ')}</strong>
        </Status>
      </p>
      {open.length === 0 ? (
        <p>Redis and Postgres answer every node that was heard.</p>
      ) : (
        <ul className="lines">
          {open.map(({ role, states, names, since }) => (
            <li key={role}>
              <span>
                <strong>{role}</strong> {states.join(' or ')} on {names.join(', ')}
              </span>
              <Time at={since} brief />
            </li>
          ))}
        </ul>
      )}
    </Card>
  )
}

interface OpenBreaker {
  readonly role: string
  readonly states: readonly string[]
  readonly names: readonly string[]
  /** Of the first node. */
  readonly since: number
}

/** By role: what is away is mostly away for all. */
function openBreakers(nodes: readonly NodeView[]): OpenBreaker[] {
  const found = nodes.flatMap(({ sheet }) =>
    sheet.breakers.filter(({ state }) => state !== 'passing').map(each => ({ ...each, name: sheet.name })),
  )
  return [...Map.groupBy(found, ({ role }) => role)].map(([role, all]) => ({
    role,
    states: [...new Set(all.map(({ state }) => state))],
    names: all.map(({ name }) => name),
    since: Math.min(...all.map(({ since }) => since)),
  }))
}

/** Seconds behind that somebody should know of. */
const lateSeconds = 10

export function lagLevel(events: number | null, late: number | null): Level {
  if (events === null && late === null) return 'unknown'
  if ((late ?? 0) >= 60) return 'bad'
  return (late ?? 0) >= lateSeconds ? 'warn' : 'ok'
}

export function LagsCard() {
  const reading = useReading('lags', { everyMs: 3_000 })
  return (
    <Card title="Which part lags?" to={routeTo('lags')}>
      <Answered reading={reading}>
        {({ lags, nodes }) => (
          <Known part={lags} otherwise={<Behind all={nodes.value ?? []} />}>
            {stored => <Behind all={furthestFirst([...stored, ...(nodes.value ?? [])])} />}
          </Known>
        )}
      </Answered>
    </Card>
  )
}

function Behind({ all }: { all: readonly LagView[] }) {
  const behind = all.filter(({ events, seconds: late }) => (events ?? 0) > 0 || (late ?? 0) > 1)
  if (behind.length === 0)
    return (
      <p>
        <Status level="ok">None of the {count(all.length)} parts that are known</Status>
      </p>
    )
  return (
    <ul className="lines">
      {behind.slice(0, 6).map(({ part, name, events, seconds: late, note }) => (
        <li key={`${part} ${name}`}>
          <Status level={lagLevel(events, late)}>
            <span className="muted">{part.replace('_', ' ')}</span> {name}
            {note === null ? null : <span className="muted"> · {note}</span>}
          </Status>
          <span>
            {events === null ? '' : plural(events, 'event')}
            {late === null ? '' : `${events === null ? '' : ', '}${seconds(late)}`}
          </span>
        </li>
      ))}
    </ul>
  )
}

export function furthestFirst(lags: readonly LagView[]): LagView[] {
  return [...lags].sort((a, b) => (b.seconds ?? 0) - (a.seconds ?? 0) || (b.events ?? 0) - (a.events ?? 0))
}
