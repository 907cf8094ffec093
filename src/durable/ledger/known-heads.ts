import type { StoredEvent } from '../../domain/index.ts'

const maxChannels = 20_000

/**
 * The last positions and offsets that this node has stored. The database is told them as hints: a head that is
 * looked for above a known one costs a fraction of the scan of an index page. A stale or missing hint costs time
 * and nothing else.
 */
export class KnownHeads {
  readonly #positions = new Map<number, number>()
  readonly #offsets = new Map<string, number>()

  position(partition: number): number {
    return this.#positions.get(partition) ?? 0
  }

  offset(channel: string): number {
    return this.#offsets.get(channel) ?? 0
  }

  /** `events` in position order. */
  learn(events: readonly StoredEvent[]): void {
    if (this.#offsets.size > maxChannels) this.#offsets.clear()
    for (const event of events) {
      this.#positions.set(event.partition, event.position)
      this.#offsets.set(event.channel, event.offset)
    }
  }

  forget(): void {
    this.#positions.clear()
    this.#offsets.clear()
  }
}
