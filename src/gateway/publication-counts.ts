import { asHoldfastError, type HoldfastError } from '../domain/index.ts'
import { Buckets } from '../telemetry/index.ts'

/**
 * What became of a publication: taken (durable: committed), known already, the asker's to change, not taken because an
 * operator has made its namespace read-only, or not possible now (or nobody knows whether it was).
 */
export const publicationOutcomes = ['accepted', 'duplicate', 'refused', 'read_only', 'unavailable'] as const
export type PublicationOutcome = (typeof publicationOutcomes)[number]

/** Publications in the channels of one tier that have come to this node. */
export class TierPublications {
  readonly outcomes: Record<PublicationOutcome, number> = {
    accepted: 0,
    duplicate: 0,
    refused: 0,
    read_only: 0,
    unavailable: 0,
  }
  /** Seconds from arrival to acceptance. */
  readonly duration = new Buckets()
  readonly #oneOf: number
  #seen = 0

  /** Of so many publications one is timed. */
  constructor(oneOf: number) {
    this.#oneOf = oneOf
  }

  /** When the publication came, for `accepted`; NaN where it is not timed. */
  begin(): number {
    return this.#seen++ % this.#oneOf === 0 ? performance.now() : Number.NaN
  }

  accepted(since: number, duplicate = false): void {
    this.outcomes[duplicate ? 'duplicate' : 'accepted']++
    if (!Number.isNaN(since)) this.duration.record((performance.now() - since) / 1_000)
  }

  failed(cause: unknown): void {
    const error = asHoldfastError(cause)
    this.outcomes[outcomeOf(error)]++
  }
}

function outcomeOf({ code, remedy }: HoldfastError): PublicationOutcome {
  // It is meant so: nobody is to be woken for it.
  if (code === 'READ_ONLY') return 'read_only'
  return remedy === 'retry_later' || code === 'INTERNAL' ? 'unavailable' : 'refused'
}

export class PublicationCounts {
  readonly realtime = new TierPublications(16)
  readonly durable = new TierPublications(1)
}
