import type { BreakerSurvey, Cluster } from '../gateway/index.ts'
import type { BreakerChange, BreakerRole, BreakerStatus, Breakers } from '../resilience/index.ts'
import { type Metrics, metrics } from '../telemetry/index.ts'

/** The breakers of this node, and of the others where they can be reached. */
export interface BreakerControl {
  /** This node's. */
  list(): readonly BreakerStatus[]
  /** Every node's that answers within a second. */
  survey(): Promise<BreakerSurvey>
  /**
   * Keeps a role's breaker in a state, whatever happens, on every node that can be reached; the answer says on which.
   * It ends with `release`, or with the node.
   * @throws HoldfastError NOT_AVAILABLE where no node has this role
   */
  hold(
    role: BreakerRole,
    state: 'passing' | 'rejecting',
    options?: { actor?: string },
  ): Promise<BreakerSurvey>
  /** Lets it decide by itself again. @throws HoldfastError NOT_AVAILABLE where no node has this role */
  release(role: BreakerRole, options?: { actor?: string }): Promise<BreakerSurvey>
  /** Called at every change on this node; returns what ends that. */
  onChange(listener: (change: BreakerChange) => void): () => void
}

export function breakerControl(breakers: Breakers, cluster: Cluster): BreakerControl {
  return {
    list: () => breakers.list(),
    survey: () => cluster.breakers(true),
    hold: (role, as, { actor: by = 'application' } = {}) =>
      cluster.actOnBreaker({ act: 'hold', role, as, by }),
    release: (role, { actor: by = 'application' } = {}) => cluster.actOnBreaker({ act: 'release', role, by }),
    onChange: listener => breakers.onChange(listener),
  }
}

const states = ['passing', 'rejecting', 'probing'] as const

export function registerBreakerMetrics(telemetry: Metrics, breakers: Breakers): void {
  const { breakerState, breakerChanges, breakerRejected, breakerProbes } = metrics
  telemetry.gauges([breakerState], async () =>
    breakers.list().flatMap(({ role, state }) =>
      states.map(each => ({
        metric: breakerState,
        value: each === state ? 1 : 0,
        attributes: { role, state: each },
      })),
    ),
  )
  telemetry.counters([breakerChanges, breakerRejected, breakerProbes], async () =>
    breakers.list().flatMap(({ role, counts: { changes, rejected, probes } }) => [
      ...states.map(state => ({
        metric: breakerChanges,
        value: changes[state],
        attributes: { role, state },
      })),
      { metric: breakerRejected, value: rejected, attributes: { role } },
      { metric: breakerProbes, value: probes.succeeded, attributes: { role, outcome: 'succeeded' } },
      { metric: breakerProbes, value: probes.failed, attributes: { role, outcome: 'failed' } },
    ]),
  )
}
