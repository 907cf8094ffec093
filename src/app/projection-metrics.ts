import { type Metrics, metrics, type Reading } from '../telemetry/index.ts'
import type { Projections } from './projections.ts'

const states = ['active', 'building', 'standby'] as const

/** How projections are, by what readers see, what is being made, and what stands by; the worst of each. */
export function registerProjectionMetrics(telemetry: Metrics, projections: Projections): void {
  const { projectionBuilds, projectionLag, projectionLagSeconds, projectionProgress, projectionEvents } =
    metrics
  telemetry.shared([projectionBuilds, projectionLag, projectionLagSeconds, projectionProgress], async () =>
    (await projections.operations.list()).flatMap(({ name, builds }): Reading[] =>
      states.flatMap(state => {
        const own = builds.filter(build => build.state === state)
        const attributes = { projection: name, state }
        const count = { metric: projectionBuilds, value: own.length, attributes }
        if (own.length === 0) return [count]
        const worst = (of: (build: (typeof own)[number]) => number) => Math.max(...own.map(of))
        const passed = own.map(({ progress: { done, total } }) => (total === 0 ? 1 : done / total))
        return [
          count,
          { metric: projectionLag, value: worst(({ lag }) => lag.events), attributes },
          { metric: projectionLagSeconds, value: worst(({ lag }) => lag.seconds), attributes },
          { metric: projectionProgress, value: Math.min(...passed), attributes },
        ]
      }),
    ),
  )
  telemetry.counters([projectionEvents], async () =>
    projections.applied().map(({ projection, version, events }) => ({
      metric: projectionEvents,
      value: events,
      attributes: { projection, version: `${version}` },
    })),
  )
}
