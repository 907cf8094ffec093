import type { Logger } from '../../platform/index.ts'
import { type Evidence, lossAdvice, type Missed, type OwnPosition, tellOf } from './loss-evidence.ts'

/** What the ledger is known to have recorded, at one moment. */
export interface Known {
  /** The epoch that the numbers belong to. */
  readonly epoch: string
  /** By partition. */
  readonly heads: ReadonlyMap<number, number>
  /** Events that are known with their positions; where some are missed, the one that can prove them to be back. */
  readonly own: ReadonlyMap<number, OwnPosition>
}

/** What a server has of a partition. */
export interface PartitionEnd {
  readonly partition: number
  readonly head: number
  /** Of the event at the position that was asked about; null where there is none, or was none asked about. */
  readonly id: string | null
}

/** Heads of partitions as one server has told them. */
export interface HeadsAnswer {
  readonly server: string
  readonly heads: ReadonlyMap<number, number>
  /** Of the events at the heads, where they are still there. */
  readonly ids?: ReadonlyMap<number, string>
}

/**
 * Remembers what the ledger is known to have recorded, from whoever knows it (this process' own commits, heads that were
 * read, the mirror, other nodes), and holds every answer against it: a head below what is known is a ledger that has gone
 * back in time. Numbers come with the epoch they belong to, and those of another epoch are ignored; answers come with
 * their server, and only those of the server that was met last are judged.
 *
 * A verdict stays, also when new events have filled the gap, because their numbers were given before. It ends with a new
 * epoch, or when a server is met that has everything that is known, and in every partition where something was missed the
 * very event that is known at a number above the gap's beginning. Heads alone prove nothing.
 */
export class LossWatch {
  readonly #heads = new Map<number, number>()
  readonly #own = new Map<number, OwnPosition>()
  readonly #missed = new Map<number, Missed>()
  readonly #logger: Logger | undefined
  #epoch: string
  #met: string
  #lostOn: string | undefined
  #evidence: Evidence | undefined
  /** Others have found a loss, and the server in use was not looked at since. */
  #heard = false

  constructor(epoch: string, server: string, logger?: Logger) {
    this.#epoch = epoch
    this.#met = server
    this.#logger = logger
  }

  /** The server on which events were found to be lost; undefined while none are known to be. */
  get lostOn(): string | undefined {
    return this.#lostOn
  }

  /** What the verdict stands on. */
  get evidence(): Evidence | undefined {
    return this.#evidence
  }

  /** What to tell an operator; undefined while nothing is known to be lost. */
  get advice(): string | undefined {
    return this.#evidence && `${lossAdvice}. Found: ${tellOf(this.#evidence)}`
  }

  /** By partition, where known events were missed. */
  get missed(): ReadonlyMap<number, Missed> {
    return this.#missed
  }

  /** In how many partitions an event is known that can prove the missed ones to be back. */
  get witnesses(): number {
    return [...this.#missed.values()].filter(({ witness }) => witness).length
  }

  /** Whether a server that has answered must be met before its answers count. */
  isNew(server: string): boolean {
    if (server !== this.#met || this.#heard) return true
    return this.#lostOn !== undefined && this.#lostOn !== server
  }

  known(): Known {
    const own = new Map(this.#own)
    for (const [partition, { witness }] of this.#missed) {
      if (witness) own.set(partition, witness)
    }
    return { epoch: this.#epoch, heads: new Map(this.#heads), own }
  }

  /** Somebody has seen this position recorded. */
  learn(epoch: string, partition: number, position: number): void {
    if (epoch === this.#epoch && position > (this.#heads.get(partition) ?? 0))
      this.#heads.set(partition, position)
  }

  /** This event is recorded. */
  stored(epoch: string, partition: number, position: number, id: string): void {
    this.learn(epoch, partition, position)
    // What a ledger has that has lost something proves nothing of what was there.
    if (epoch !== this.#epoch || this.#lostOn !== undefined) return
    if (position > (this.#own.get(partition)?.position ?? 0)) this.#own.set(partition, { position, id })
  }

  /** Holds heads against what was known before they were asked for. */
  compare(before: Known, { server, heads, ids }: HeadsAnswer): void {
    if (before.epoch !== this.#epoch || server !== this.#met) return
    for (const [partition, head] of heads) {
      const known = before.heads.get(partition) ?? 0
      const id = ids?.get(partition)
      if (head < known) this.#miss(before, { partition, head, known, server, found: 'heads that were read' })
      else if (this.#lostOn === undefined) {
        this.learn(before.epoch, partition, head)
        if (id !== undefined) this.stored(before.epoch, partition, head, id)
      }
    }
  }

  /** Judges a server by everything that was known before it was asked. */
  meet(before: Known, ends: readonly PartitionEnd[], server: string): void {
    this.#met = server
    this.#heard = false
    if (before.epoch !== this.#epoch) return
    let complete = true
    for (const end of ends) {
      const { partition, head } = end
      const known = before.heads.get(partition) ?? 0
      const own = before.own.get(partition)
      if (head < known) {
        complete = false
        this.#miss(before, { partition, head, known, server, found: 'a server that was looked at' })
      } else if (own && end.id !== null && end.id !== own.id) {
        // Somebody else was given the number: others have recorded events before this process could look.
        complete = false
        const found = `another event at ${own.position}, where ${own.id} was recorded`
        this.#miss(before, { partition, head: own.position - 1, known, server, found })
      }
    }
    if (this.#lostOn === undefined) return
    if (complete && this.#proven(before, ends)) this.#acquit()
    else if (this.#lostOn !== server) this.#lostOn = server
  }

  /** It is known from elsewhere that this server, which is the one in use, has lost events. */
  condemn(epoch: string, server: string, evidence: Omit<Evidence, 'server'>): void {
    if (epoch !== this.#epoch || server !== this.#met) return
    if (evidence.partition !== undefined) this.#missIn(evidence.partition, {})
    this.#judge({ ...evidence, server })
  }

  /** Another node has found a loss, perhaps on a server that is gone: the present one is met with this in mind. */
  hear(epoch: string, server: string, missed: ReadonlyMap<number, Missed>): void {
    if (epoch !== this.#epoch) return
    for (const [partition, each] of missed) this.#missIn(partition, each)
    if (this.#lostOn !== undefined) return
    this.#heard = true
    const [first] = missed
    const about = first && { partition: first[0], head: first[1].head }
    this.#judge({ ...about, server, found: 'another node' })
  }

  /** The numbers of another epoch mean nothing. */
  begin(epoch: string): void {
    this.#epoch = epoch
    this.#heads.clear()
    this.#own.clear()
    this.#missed.clear()
    this.#lostOn = undefined
    this.#evidence = undefined
    this.#heard = false
  }

  #miss(before: Known, evidence: Evidence & { readonly partition: number; readonly head: number }): void {
    const { partition, head } = evidence
    const own = before.own.get(partition)
    this.#missIn(partition, { head, ...(own && own.position > head && { witness: own }) })
    this.#judge(evidence)
  }

  /** The first witness stays: a later one may be of those who were given the numbers again. */
  #missIn(partition: number, found: Missed): void {
    const earlier = this.#missed.get(partition)
    if (earlier?.witness) return
    this.#missed.set(partition, found.witness ? found : { ...found, ...earlier })
  }

  #judge(evidence: Evidence): void {
    if (this.#lostOn === undefined) {
      this.#evidence = evidence
      this.#logger?.error(evidence, lossAdvice)
    }
    this.#lostOn = evidence.server
  }

  #proven({ own }: Known, ends: readonly PartitionEnd[]): boolean {
    const ids = new Map(ends.map(({ partition, id }) => [partition, id]))
    if (this.#missed.size === 0) return false
    for (const [partition, { witness }] of this.#missed) {
      if (!witness || own.get(partition) !== witness || ids.get(partition) !== witness.id) return false
    }
    return true
  }

  #acquit(): void {
    this.#lostOn = undefined
    this.#evidence = undefined
    this.#missed.clear()
    this.#logger?.info('a server has everything that was recorded: durable appends go on')
  }
}
