import type { Logger } from '../../platform/index.ts'

/** A position with the event that this process has stored there. */
export interface OwnPosition {
  readonly position: number
  readonly id: string
}

/** What the ledger is known to have recorded, at one moment. */
export interface Known {
  /** By partition. */
  readonly heads: ReadonlyMap<number, number>
  readonly own: ReadonlyMap<number, OwnPosition>
}

/** What a server has of a partition. */
export interface PartitionEnd {
  readonly partition: number
  readonly head: number
  /** Of the event at the position that was asked about; null where there is none, or was none asked about. */
  readonly id: string | null
}

/** What every error and log line about it says. */
export const lossAdvice =
  'the ledger has lost events that were recorded (an older copy was restored, or a standby that lagged was promoted): durable appends stop on all nodes until the right server is back or an operator runs `holdfast ledger new-epoch`'

/**
 * Remembers what the ledger is known to have recorded, from whoever knows it (this process' own commits, heads that were
 * read, the mirror, other nodes), and holds every answer against it: a head below what is known is a ledger that has gone
 * back in time. The verdict stays, also when new events have filled the gap, because their numbers were given before. It
 * ends with a new epoch, or when another server has everything that is known.
 */
export class LossWatch {
  readonly #heads = new Map<number, number>()
  readonly #own = new Map<number, OwnPosition>()
  readonly #logger: Logger | undefined
  #lostOn: string | undefined

  constructor(logger: Logger | undefined) {
    this.#logger = logger
  }

  /** The server on which events were found to be lost; undefined while none are known to be. */
  get lostOn(): string | undefined {
    return this.#lostOn
  }

  known(): Known {
    return { heads: new Map(this.#heads), own: new Map(this.#own) }
  }

  /** Somebody has seen this position recorded. */
  learn(partition: number, position: number): void {
    if (position > (this.#heads.get(partition) ?? 0)) this.#heads.set(partition, position)
  }

  /** This process has stored it. */
  stored(partition: number, position: number, id: string): void {
    this.learn(partition, position)
    if (position > (this.#own.get(partition)?.position ?? 0)) this.#own.set(partition, { position, id })
  }

  /** Holds heads against what was known before they were asked for. */
  compare(before: Known, heads: ReadonlyMap<number, number>, server: string): void {
    for (const [partition, head] of heads) {
      const known = before.heads.get(partition) ?? 0
      if (head < known) this.condemn(server, { partition, head, known })
      else this.learn(partition, head)
    }
  }

  /** Judges a server that was not met before by everything that was known before it was asked. */
  meet(before: Known, ends: readonly PartitionEnd[], server: string): void {
    const missing = ends.find(end => lacks(before, end))
    if (missing) {
      const { partition, head } = missing
      const own = before.own.get(partition)
      this.condemn(server, { partition, head, known: before.heads.get(partition), own })
    } else if (this.#lostOn !== undefined && this.#lostOn !== server) {
      this.#lostOn = undefined
      this.#logger?.info('a server with everything that was recorded is back: durable appends go on')
    }
  }

  /** It is known from elsewhere that this server has lost events. */
  condemn(server: string, evidence: Readonly<Record<string, unknown>>): void {
    if (this.#lostOn === undefined) this.#logger?.error(evidence, lossAdvice)
    this.#lostOn = server
  }

  /** The numbers of another epoch mean nothing. */
  forget(): void {
    this.#heads.clear()
    this.#own.clear()
    this.#lostOn = undefined
  }
}

function lacks({ heads, own }: Known, { partition, head, id }: PartitionEnd): boolean {
  if (head < (heads.get(partition) ?? 0)) return true
  // Somebody else was given the number: others have recorded events before this process could look.
  return id !== null && id !== (own.get(partition)?.id ?? id)
}
