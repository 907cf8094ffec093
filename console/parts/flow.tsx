import type { NodeView, Rates } from '../../src/console/wire.ts'
import { useReading } from '../state/hooks.ts'
import { disconnectsOf, saidBy, totalRate } from '../state/totals.ts'
import { Chart } from './chart.tsx'
import { count, percent, rate } from './format.ts'
import { Answered } from './known.tsx'

/** What flows now by what the nodes say, and the last hour against the same hour of last week. */
export function RatesNow({ nodes }: { nodes: readonly NodeView[] }) {
  const rates = useReading('rates', { wish: { minutes: 60 }, everyMs: 15_000 })
  const figures = [
    ['realtime delivered', totalRate(nodes, 'delivered.realtime')],
    ['durable delivered', totalRate(nodes, 'delivered.durable')],
    ['dropped', totalRate(nodes, 'dropped')],
  ] as const
  return (
    <>
      <div className="figures">
        {figures.map(([name, value]) => (
          <div key={name}>
            <strong className="figure">{rate(value)}</strong>
            <span className="named">{name}</span>
          </div>
        ))}
      </div>
      <Answered reading={rates}>{data => <DeliveredChart rates={data} />}</Answered>
    </>
  )
}

function DeliveredChart({ rates }: { rates: Rates }) {
  const now = both(rates.now.value)
  const past = both(rates.lastWeek.value)
  return (
    <Chart
      low
      at={rates.at}
      write={rate}
      lines={[
        { label: 'delivered, last hour', values: now, style: 'first' },
        ...(past.some(value => value !== null)
          ? [{ label: 'a week before', values: past, style: 'past' as const }]
          : []),
      ]}
      summary={comparison(now, past)}
    />
  )
}

function both(series: Rates['now']['value']): (number | null)[] {
  const realtime = series?.['delivered.realtime'] ?? []
  const durable = series?.['delivered.durable'] ?? []
  const longest = Math.max(realtime.length, durable.length)
  return Array.from({ length: longest }, (_, index) => sum(realtime[index], durable[index]))
}

function sum(a: number | null | undefined, b: number | null | undefined): number | null {
  if (typeof a !== 'number') return b ?? null
  return a + (b ?? 0)
}

/** Only steps that are known of both weeks are compared. */
export function comparison(now: readonly (number | null)[], past: readonly (number | null)[]): string {
  let [ours, theirs, steps] = [0, 0, 0]
  for (const [index, value] of now.entries()) {
    const before = past[index]
    if (value === null || typeof before !== 'number') continue
    ours += value
    theirs += before
    steps++
  }
  if (steps === 0) return 'Nothing is known of the week before.'
  if (theirs === 0) return ours === 0 ? 'Nothing, as a week before.' : 'Nothing a week before.'
  return `${percent(ours / theirs)} of a week before.`
}

export function DisconnectsLine({ nodes }: { nodes: readonly NodeView[] }) {
  const codes = disconnectsOf(nodes)
  if (codes.length === 0) return <p className="muted">No connection has ended in the last five minutes.</p>
  return (
    <p>
      <span className="muted">Ended in five minutes: </span>
      {codes.slice(0, 4).map(([code, ended], index) => (
        <span key={code}>
          {index > 0 ? ', ' : ''}
          {count(ended)} × {code} <span className="muted">({saidBy(code)})</span>
        </span>
      ))}
    </p>
  )
}
