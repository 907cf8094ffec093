import type { LostBy, Subscription } from '../hub/index.ts'

/** How a wish to continue from a place has ended. `told`: it cannot be had; `refused`: not now. */
export type RecoveryOutcome = 'recovered' | 'told' | 'refused'
type Tier = 'realtime' | 'durable'

export interface RecoveryCount {
  readonly tier: Tier
  readonly outcome: RecoveryOutcome
  readonly reason: LostBy | 'none'
  readonly count: number
}

/** What has become of subscriptions on this node since its start. */
export class SubscriptionCounts {
  /** Publications that rode in replies. */
  readonly recovered: Record<Tier, number> = { realtime: 0, durable: 0 }
  /** Subscriptions ended so that the client comes back and recovers. */
  readonly resyncs: Record<Tier, number> = { realtime: 0, durable: 0 }
  readonly #recoveries = new Map<string, RecoveryCount>()

  /** A subscription that wanted to continue stands. */
  answered(tier: Tier, { recovered, lost, publications }: Subscription): void {
    this.recovered[tier] += publications.length
    if (recovered) this.#count(tier, 'recovered', 'none')
    else this.#count(tier, 'told', lost ?? 'removed')
  }

  /** One that wanted to continue could not be made. */
  refused(tier: Tier): void {
    this.#count(tier, 'refused', 'none')
  }

  recoveries(): Iterable<RecoveryCount> {
    return this.#recoveries.values()
  }

  #count(tier: Tier, outcome: RecoveryOutcome, reason: RecoveryCount['reason']): void {
    const key = `${tier} ${outcome} ${reason}`
    const count = (this.#recoveries.get(key)?.count ?? 0) + 1
    this.#recoveries.set(key, { tier, outcome, reason, count })
  }
}
