import type { StoredEvent } from '../../domain/index.ts'
import type { Entry } from '../mirror/entry.ts'
import type { GroupStream, LogPlace, Reading } from './competing-stream.ts'
import { loggedEvent } from './logged-event.ts'

export interface IntakeParts {
  readonly stream: GroupStream
  readonly epoch: () => string
  /** Takes over what was handed out. */
  readonly accept: (place: LogPlace, events: readonly StoredEvent[]) => Promise<void>
  /** The log of this partition does not know the group. */
  readonly noGroup: (partition: number) => void
}

/** Takes what the log hands out to this process: where news says that there is something, and now and then everywhere. */
export class Intake {
  readonly #parts: IntakeParts
  /** Where something new may be, in the order in which it is looked at. */
  readonly #fresh = new Set<number>()
  /** Where one's own pending list is gone through, and how far that has come. */
  readonly #own = new Map<number, number>()
  /** Where it has to be gone through again: an answer was lost, or something could not be settled. */
  readonly #doubted = new Set<number>()

  constructor(parts: IntakeParts) {
    this.#parts = parts
  }

  get hasWork(): boolean {
    return this.#parts.stream.reachable && this.#fresh.size + this.#own.size > 0
  }

  heard(partition: number): void {
    this.#fresh.add(partition)
  }

  /** Something may lie in one's own pending list; it is looked for with the next sweep, so that trouble is not hurried. */
  doubt(partition: number): void {
    this.#doubted.add(partition)
  }

  /** To be called about once a second: what no news told of, and what was doubted. */
  sweep(partitions: number): void {
    for (let partition = 0; partition < partitions; partition++) this.#fresh.add(partition)
    for (const partition of this.#doubted) {
      // What is doubted may lie behind where a pass has come to: it begins when that has ended.
      if (this.#own.has(partition)) continue
      this.#own.set(partition, 0)
      this.#doubted.delete(partition)
    }
  }

  /** Reads from so many partitions at once, `count` entries of each; one read after the other. Own pending entries come first. */
  async read(partitions: number, count: number): Promise<void> {
    const own = [...this.#own.keys()].slice(0, partitions)
    const fresh = [...this.#fresh].slice(0, partitions - own.length)
    await Promise.all([
      ...own.map(partition => this.#readOwn(partition, count)),
      ...fresh.map(partition => this.#readFresh(partition, count)),
    ])
  }

  async #readFresh(partition: number, count: number): Promise<void> {
    const place = { epoch: this.#parts.epoch(), partition }
    // Before the question: news that comes while it is under way may be younger than its answer.
    this.#fresh.delete(partition)
    const reading = await this.#ask(place, stream => stream.readNew(place, count))
    if (reading?.kind !== 'read') return
    if (reading.entries.length === count) this.#fresh.add(partition)
    await this.#parts.accept(place, eventsOf(reading.entries))
  }

  async #readOwn(partition: number, count: number): Promise<void> {
    const place = { epoch: this.#parts.epoch(), partition }
    const after = this.#own.get(partition) ?? 0
    // The pass goes on until it has an answer: what is doubted meanwhile waits for the next.
    const reading = await this.#ask(place, stream => stream.readPending(place, after, count))
    this.#own.delete(partition)
    if (reading?.kind !== 'read') return
    const { entries, gone } = reading
    if (entries.length + gone.length === count)
      this.#own.set(partition, Math.max(entries.at(-1)?.position ?? 0, gone.at(-1) ?? 0))
    // The keeper reads them from the ledger.
    await this.#parts.stream.acknowledge(place, gone).catch(() => this.doubt(partition))
    await this.#parts.accept(place, eventsOf(entries))
  }

  /** Undefined where there was no answer: whatever it held is then in one's own pending list. */
  async #ask(
    place: LogPlace,
    question: (stream: GroupStream) => Promise<Reading>,
  ): Promise<Reading | undefined> {
    try {
      const reading = await question(this.#parts.stream)
      if (reading.kind === 'no_group') this.#parts.noGroup(place.partition)
      return reading
    } catch {
      this.#fresh.delete(place.partition)
      this.doubt(place.partition)
      return undefined
    }
  }
}

/** An entry that the mirror cannot have written stays where it is: the keeper reads the event from the ledger. */
export function eventsOf(entries: readonly Entry[]): StoredEvent[] {
  return entries.flatMap(entry => {
    try {
      return [loggedEvent(entry)]
    } catch {
      return []
    }
  })
}
