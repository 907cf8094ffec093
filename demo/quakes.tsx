import { useProjection } from '@holdfast/client/react'
import { Clock } from './chat.tsx'

/** A row of the read model `quakes_by_region`. */
type Region = {
  readonly region: string
  readonly quakes: number
  readonly strongest: number | null
  readonly latestPlace: string
  readonly latestTime: string
}

const shown = 12

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
        {error ? `The table cannot be read now: ${error.message}` : `${all} earthquakes in ${rows.length} regions`}
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
          {rows.slice(0, shown).map(({ region, quakes, strongest, latestPlace, latestTime }) => (
            <tr key={region} title={latestPlace}>
              <th scope="row">{region}</th>
              {/* Drawn anew with each number, so that it lights up. */}
              <td key={quakes} className="fresh">
                {quakes}
              </td>
              <td>{strongest?.toFixed(1) ?? '–'}</td>
              <td>
                <Clock time={Date.parse(latestTime)} />
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
