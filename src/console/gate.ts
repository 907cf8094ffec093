import type { HoldfastError } from '../domain/index.ts'
import type { OpenTier } from '../durable/index.ts'
import type { PublicationCounts, Router } from '../gateway/index.ts'
import type { Sampler } from './sampler.ts'
import type { NamespaceSwitches } from './switches.ts'

export interface GateParts {
  readonly switches: NamespaceSwitches
  readonly sampler: Sampler
  readonly counts: PublicationCounts
}

/**
 * A router that refuses what comes for a namespace which is read-only, and tells the sampler of the rest. Every publication
 * passes here, so nothing is allocated and no promise is added.
 */
export function gatedRouter(router: Router, { switches, sampler, counts }: GateParts): Router {
  const refusal = (channel: string): HoldfastError | undefined => {
    const refused = switches.refusal(channel)
    if (refused) counts[router.options(channel).tier].failed(refused)
    return refused
  }
  return {
    ...router,
    publish: publication => {
      const refused = refusal(publication.channel)
      if (refused) return Promise.reject(refused)
      if (sampler.active) sampler.note(publication.channel, publication.info?.user)
      return router.publish(publication)
    },
    append: event => {
      const refused = refusal(event.channel)
      if (refused) return Promise.reject(refused)
      if (sampler.active) sampler.note(event.channel, event.info?.user)
      return router.append(event)
    },
    signal: signal => {
      const refused = refusal(signal.channel)
      if (refused) return Promise.reject(refused)
      if (sampler.active) sampler.note(signal.channel, signal.info?.user)
      return router.signal(signal)
    },
  }
}

/** The same for what commands of aggregates record past the router. */
export function gatedTier<Tier extends Pick<OpenTier, 'appendTogether' | 'log'>>(
  tier: Tier,
  switches: NamespaceSwitches,
  sampler: Sampler,
): Pick<OpenTier, 'appendTogether' | 'log'> {
  return {
    log: tier.log,
    appendTogether: async events => {
      for (const { channel, info } of events) {
        switches.admit(channel)
        if (sampler.active) sampler.note(channel, info?.user)
      }
      return tier.appendTogether(events)
    },
  }
}
