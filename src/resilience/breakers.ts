import { HoldfastError } from '../domain/index.ts'
import type { Logger } from '../platform/index.ts'
import type { BreakerState } from './breaker-states.ts'
import { Guard } from './guard.ts'
import type { GuardOptions } from './guard-options.ts'
import type { Tally } from './tally.ts'

/** What a node depends on: the bus, the log and the jobs in Redis, the ledger in Postgres. */
export const breakerRoles = ['bus', 'log', 'jobs', 'ledger'] as const
export type BreakerRole = (typeof breakerRoles)[number]

export interface BreakerStatus {
  readonly role: BreakerRole
  readonly state: BreakerState
  /** Milliseconds since 1970. */
  readonly since: number
  readonly reason: string
  /** Who holds it in its state; undefined where it decides by itself. */
  readonly heldBy: string | undefined
  /** From the node's beginning on. */
  readonly counts: Readonly<Tally>
}

export type BreakerChange = Omit<BreakerStatus, 'counts' | 'since'>

/** The breakers of one node, by role: what operators see and hold, and where every change is told. */
export class Breakers {
  readonly #logger: Logger | undefined
  readonly #guards = new Map<BreakerRole, Guard>()
  readonly #heldBy = new Map<BreakerRole, string>()
  readonly #listeners = new Set<(change: BreakerChange) => void>()

  constructor(logger?: Logger) {
    this.#logger = logger
  }

  /** Makes the role's guard; its changes are logged and told from here. */
  guard(role: BreakerRole, options: GuardOptions): Guard {
    const guard = new Guard(options)
    let before = guard.state
    guard.onChange((state, reason) => {
      // A long outage is one story: between its beginning and its end there are only vain probes.
      const level = state === 'passing' ? 'info' : before === 'passing' ? 'warn' : 'debug'
      before = state
      this.#logger?.[level]({ role, state, reason }, 'a breaker has changed')
      this.#tell(role)
    })
    this.#guards.set(role, guard)
    return guard
  }

  list(): BreakerStatus[] {
    return breakerRoles.flatMap(role => {
      const guard = this.#guards.get(role)
      return guard ? [this.#status(role, guard)] : []
    })
  }

  /**
   * Keeps a role's breaker in a state, whatever happens, until `release`.
   * @throws HoldfastError NOT_AVAILABLE where this node has no such dependency
   */
  hold(role: BreakerRole, as: 'passing' | 'rejecting', by: string): BreakerStatus {
    const guard = this.#guardOf(role)
    this.#heldBy.set(role, by)
    this.#logger?.warn({ role, state: as, by }, 'a breaker is held by an operator')
    const before = guard.state
    guard.hold(as, `held ${as} by ${by}`)
    if (guard.state === before) this.#tell(role)
    return this.#status(role, guard)
  }

  /** Lets it decide by itself again. @throws HoldfastError NOT_AVAILABLE where this node has no such dependency */
  release(role: BreakerRole, by: string): BreakerStatus {
    const guard = this.#guardOf(role)
    if (!this.#heldBy.delete(role)) return this.#status(role, guard)
    this.#logger?.warn({ role, by }, 'a breaker is released by an operator')
    const before = guard.state
    guard.release(`released by ${by}`)
    if (guard.state === before) this.#tell(role)
    return this.#status(role, guard)
  }

  /** Called at every change of a state, and when one is held or released. */
  onChange(listener: (change: BreakerChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #guardOf(role: BreakerRole): Guard {
    const guard = this.#guards.get(role)
    if (guard) return guard
    throw new HoldfastError('NOT_AVAILABLE', `this node has no breaker ${role}: nothing is configured for it`)
  }

  #status(role: BreakerRole, guard: Guard): BreakerStatus {
    const { state, reason, tally } = guard
    const since = Math.round(Date.now() - guard.forMs)
    const heldBy = this.#heldBy.get(role)
    const { probes, changes } = tally
    const counts = { ...tally, probes: { ...probes }, changes: { ...changes } }
    return { role, state, since, reason, heldBy, counts }
  }

  #tell(role: BreakerRole): void {
    const guard = this.#guards.get(role)
    if (!guard) return
    const { state, reason, heldBy } = this.#status(role, guard)
    for (const listener of this.#listeners) {
      try {
        listener({ role, state, reason, heldBy })
      } catch (error) {
        this.#logger?.error({ err: error }, 'a listener of breakers has thrown')
      }
    }
  }
}
