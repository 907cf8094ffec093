import type { Overview } from '../../src/console/wire.ts'
import { Card, Heading } from '../parts/card.tsx'
import { ConsoleOf } from '../parts/console-of.tsx'
import { DisconnectsLine, RatesNow } from '../parts/flow.tsx'
import { Answered, Known } from '../parts/known.tsx'
import { MarkList } from '../parts/lines.tsx'
import { AskEvent, AskTop } from '../parts/questions.tsx'
import { Status } from '../parts/status.tsx'
import { Time } from '../parts/time.tsx'
import { BreakersCard, LagsCard, LostCard, TierCard } from '../parts/verdicts.tsx'
import { routeTo } from '../state/address.ts'
import { useReading } from '../state/hooks.ts'
import { problemsOf } from '../state/problems.ts'

const healthLevels = { ready: 'ok', degraded: 'warn', unavailable: 'bad' } as const

/** The first look at three in the morning: eight questions, answered here or one step from here. */
export function NowPage() {
  const overview = useReading('overview', { everyMs: 1_500 })
  return (
    <>
      <Heading title="Right now" />
      <Answered reading={overview}>{data => <Answers overview={data} />}</Answered>
    </>
  )
}

function Answers({ overview }: { overview: Overview }) {
  const problems = problemsOf(overview)
  return (
    <>
      <div className="cards four">
        <LostCard lost={overview.lost} />
        <TierCard tier="Realtime" verdict={overview.tiers.realtime} />
        <TierCard tier="Durable" verdict={overview.tiers.durable} />
        <BreakersCard nodes={overview.nodes} />
      </div>
      {problems.length > 1 ? (
        <Card title="All that needs a look">
          <ul className="lines">
            {problems.map(({ level, says, to }) => (
              <li key={says}>
                <Status level={level}>
                  <a href={to}>{says}</a>
                </Status>
              </li>
            ))}
          </ul>
        </Card>
      ) : null}
      <div className="columns">
        <div className="stack">
          <Card
            title="What changed?"
            to={routeTo('changes')}
            footer="Starts, releases, configurations, breakers, failovers, switches and decisions."
          >
            <Known part={overview.marks}>
              {marks => (
                <MarkList
                  marks={marks.slice(0, 6)}
                  empty="Nothing has changed for as long as is remembered."
                />
              )}
            </Known>
          </Card>
          <Card title="What happened to this one event?" to={routeTo('event')}>
            <AskEvent />
          </Card>
          <LagsCard />
        </div>
        <div className="stack">
          <Card title="How much, compared with last week?" to={routeTo('rates')}>
            <RatesNow nodes={overview.nodes} />
            <DisconnectsLine nodes={overview.nodes} />
          </Card>
          <Card title="Who is hit?" to={routeTo('top')}>
            <AskTop />
          </Card>
          <Card title="Which nodes are there?" to={routeTo('nodes')}>
            <ul className="lines">
              {overview.nodes.map(({ sheet, heard, own, at }) => (
                <li key={sheet.id}>
                  <Status level={heard ? healthLevels[sheet.health] : 'unknown'}>
                    <ConsoleOf sheet={sheet} own={own} />
                    <span className="muted">
                      {' '}
                      · {sheet.version} · {heard ? sheet.health : 'not heard'}
                      {own ? ' · this one' : ''}
                    </span>
                  </Status>
                  {own ? <span className="muted">now</span> : <Time at={at} brief />}
                </li>
              ))}
            </ul>
          </Card>
        </div>
      </div>
    </>
  )
}
