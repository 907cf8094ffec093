import { useMemo } from 'react'
import type { RateName, Rates } from '../../src/console/wire.ts'
import { Card, Heading } from '../parts/card.tsx'
import { Chart, type Line } from '../parts/chart.tsx'
import { comparison } from '../parts/flow.tsx'
import { count, plural, rate } from '../parts/format.ts'
import { Answered, Known } from '../parts/known.tsx'
import { MarkList } from '../parts/lines.tsx'
import { Table } from '../parts/table.tsx'
import { useReading } from '../state/hooks.ts'
import { refine } from '../state/route.ts'
import { saidBy } from '../state/totals.ts'

const spans = [
  [60, 'hour'],
  [360, '6 hours'],
  [1_440, 'day'],
  [10_080, 'week'],
] as const

const charts: readonly { readonly title: string; readonly name: RateName }[] = [
  { title: 'Realtime: delivered', name: 'delivered.realtime' },
  { title: 'Durable: delivered', name: 'delivered.durable' },
  { title: 'Realtime: published', name: 'published.realtime' },
  { title: 'Durable: appended', name: 'published.durable' },
  { title: 'Refused', name: 'refused' },
  { title: 'Dropped', name: 'dropped' },
  { title: 'Connects', name: 'connects' },
  { title: 'Disconnects', name: 'disconnects' },
  { title: 'Failed canaries', name: 'probe.failures' },
]

export function RatesPage({ query }: { query: URLSearchParams }) {
  const wished = Number(query.get('minutes'))
  const minutes = spans.find(([each]) => each === wished)?.[0] ?? 60
  const reading = useReading('rates', { wish: { minutes }, everyMs: 5_000 })
  return (
    <>
      <Heading
        title="How much, compared with last week?"
        tools={
          <fieldset className="row" aria-label="How far back">
            {spans.map(([each, name]) => (
              <button
                key={each}
                type="button"
                aria-pressed={each === minutes}
                onClick={() => refine('rates', { minutes: each })}
              >
                {name}
              </button>
            ))}
          </fieldset>
        }
      >
        Over all nodes. The dotted line is the same time a week before, upright dashes are what has changed.
      </Heading>
      <Answered reading={reading}>{data => <Charts rates={data} />}</Answered>
    </>
  )
}

function Charts({ rates }: { rates: Rates }) {
  const { now, lastWeek, connections, connectionsLastWeek } = rates
  const marks = useReading('marks', { wish: { limit: 100 }, everyMs: 10_000 })
  const began = rates.at[0] ?? rates.time
  const shown = useMemo(
    () => (marks.data?.marks.value ?? []).filter(({ time }) => time >= began),
    [marks.data, began],
  )
  const times = useMemo(() => shown.map(({ time }) => time), [shown])
  return (
    <>
      {lastWeek.problem === null ? null : <p className="muted">Of last week: {lastWeek.problem}.</p>}
      <Known part={now}>
        {series => (
          <div className="halves">
            {charts
              .filter(({ name }) => series[name] !== undefined)
              .map(({ title, name }) => (
                <OneChart
                  key={name}
                  title={title}
                  at={rates.at}
                  now={series[name] ?? []}
                  past={lastWeek.value?.[name] ?? []}
                  marks={times}
                  write={rate}
                />
              ))}
            {connections.value === null ? null : (
              <OneChart
                title="Open connections"
                at={rates.at}
                now={connections.value}
                past={connectionsLastWeek.value ?? []}
                marks={times}
                write={count}
                least={5}
              />
            )}
          </div>
        )}
      </Known>
      <div className="halves">
        <Disconnects rates={rates} />
        <Card title={`${plural(shown.length, 'change')} in this time`}>
          <MarkList marks={shown.slice(0, 12)} empty="Nothing has changed in this time." />
        </Card>
      </div>
    </>
  )
}

function OneChart({
  title,
  at,
  now,
  past,
  marks,
  write,
  least = 1,
}: {
  title: string
  at: readonly number[]
  now: readonly (number | null)[]
  past: readonly (number | null)[]
  marks: readonly number[]
  write: (value: number) => string
  least?: number
}) {
  const latest = now.findLast(value => value !== null)
  const lines: Line[] = [
    { label: 'now', values: now, style: 'first' },
    ...(past.some(value => value !== null)
      ? [{ label: 'a week before', values: past, style: 'past' as const }]
      : []),
  ]
  return (
    <Card
      title={title}
      aside={<strong>{latest === undefined || latest === null ? '–' : write(latest)}</strong>}
    >
      <Chart
        at={at}
        lines={lines}
        marks={marks}
        write={write}
        least={least}
        summary={comparison(now, past)}
      />
    </Card>
  )
}

function Disconnects({ rates: { disconnects, disconnectsLastWeek } }: { rates: Rates }) {
  return (
    <Card title="Disconnects by code">
      <Known part={disconnects}>
        {codes => {
          const rows = Object.entries(codes)
            .filter(([, ended]) => ended > 0)
            .sort(([, a], [, b]) => b - a)
          return (
            <Table
              caption="Ended connections by code"
              rows={rows}
              keyOf={([code]) => code}
              empty="No connection has ended in this time."
              columns={[
                { name: 'Code', cell: ([code]) => <code>{code}</code> },
                { name: 'Means', cell: ([code]) => saidBy(code) },
                { name: 'Ended', kind: 'number', cell: ([, ended]) => count(ended) },
                {
                  name: 'A week before',
                  kind: 'number',
                  cell: ([code]) =>
                    count(disconnectsLastWeek.value === null ? null : (disconnectsLastWeek.value[code] ?? 0)),
                },
              ]}
            />
          )
        }}
      </Known>
    </Card>
  )
}
