import { Buckets } from '../../telemetry/index.ts'

/** How a fill that the sweeper has begun ended; `yielded`: another node was at it. */
export const repairOutcomes = ['filled', 'yielded', 'failed'] as const
export type RepairOutcome = (typeof repairOutcomes)[number]

/** How far mirrors are behind their ledger. */
export interface MirrorLag {
  readonly events: number
  /** Since when the one is behind that has been for longest. */
  readonly seconds: number
}

/** How this process has mirrored since it began. */
export class MirrorMeter {
  /** Seconds from a commit's answer to that of the mirror; of several that go together the longest. */
  readonly latency = new Buckets()
  readonly repairs: Record<RepairOutcome, number> = { filled: 0, yielded: 0, failed: 0 }
  /** Events that were brought from the ledger. */
  filled = 0
  #behind: { events: number; since: number | undefined } | undefined

  /** As seen at the last look; undefined where ledger or mirror could not be asked. */
  get lag(): MirrorLag | undefined {
    if (!this.#behind) return undefined
    const { events, since } = this.#behind
    return { events, seconds: since === undefined ? 0 : (performance.now() - since) / 1_000 }
  }

  /** A look at all mirrors: by how much they are behind together, and since when the first one is. */
  sees(events: number, since: number | undefined): void {
    this.#behind = { events, since }
  }

  /** A look was not possible. */
  seesNothing(): void {
    this.#behind = undefined
  }
}
