import { useProjection } from '@holdfast/client/react'

/** A row of the read model `quakes_by_region`. */
type Region = {
  readonly region: string
  readonly quakes: number
  readonly strongest: number | null
  readonly latest_place: string
  readonly latest_time: string
}

const shown = 12

function dayOf(time: string): string {
  return new Date(time).toLocaleDateString([], { month: 'short', day: 'numeric' })
}

/** A table that the server fills from events, and that keeps itself up to date. */
export function Quakes() {
  const { rows, state, error } = useProjection<Region>('quakes_by_region', {
    changes: 'regions:quakes',
    key: ['region'],
    order: (a, b) => b.quakes - a.quakes,
  })
  const all = rows.reduce((sum, { quakes }) => sum + quakes, 0)
  return (
    <div className="quakes">
      <p className="by" role="status">
        {error
          ? `The table cannot be read now: ${error.message}`
          : `${all} earthquakes in ${rows.length} regions`}
        {state === 'reading' && !error && ', reading…'}
      </p>
      <table>
        <caption className="hidden">Earthquakes by region</caption>
        <thead>
          <tr>
            <th scope="col">Region</th>
            <th scope="col">Quakes</th>
            <th scope="col">Strongest</th>
            <th scope="col">Latest</th>
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, shown).map(({ region, quakes, strongest, latest_place, latest_time }) => (
            <tr key={region} title={latest_place}>
              <th scope="row">{region}</th>
              {/* Drawn anew with each number, so that it lights up. */}
              <td key={quakes} className="fresh">
                {quakes}
              </td>
              <td>{strongest?.toFixed(1) ?? '–'}</td>
              <td>
                <time dateTime={latest_time}>{dayOf(latest_time)}</time>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="by">
        Each earthquake is an event in <code>quakes:all</code>; a projection counts them into{' '}
        <code>quakes_by_region</code>, and tells of each row that it changes.
      </p>
    </div>
  )
}
