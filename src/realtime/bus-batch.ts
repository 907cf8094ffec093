import { maxJoinedCharacters } from '../hub/index.ts'
import { type Address, encodeMessage } from './envelope.ts'

interface Entry {
  readonly channel: string
  readonly address: Address
  readonly since: number
  lines: string
  count: number
}

/**
 * What waits to be published: one message per channel for a run of lines with the same address (or a few, where they
 * are long), in the order in which the runs began. Within a channel the order of lines is kept.
 */
export class BusBatch {
  #entries: Entry[] = []
  /** The last entry of each channel: only that one may grow, else lines would overtake each other. */
  readonly #last = new Map<string, Entry>()
  #count = 0
  #characters = 0

  /** When the oldest line in it was added, by `performance.now()`. */
  get since(): number {
    return this.#entries[0]?.since ?? performance.now()
  }

  /** Lines in it. */
  get count(): number {
    return this.#count
  }

  get characters(): number {
    return this.#characters
  }

  get empty(): boolean {
    return this.#entries.length === 0
  }

  add(channel: string, address: Address, line: string): void {
    this.#count++
    this.#characters += line.length
    const last = this.#last.get(channel)
    const joins = address === 'all' && last?.address === 'all'
    if (joins && last.lines.length + line.length <= maxJoinedCharacters) {
      last.lines += `\n${line}`
      last.count++
      this.#characters++
      return
    }
    const entry = { channel, address, since: performance.now(), lines: line, count: 1 }
    this.#entries.push(entry)
    this.#last.set(channel, entry)
  }

  /** Takes the first messages out, at most `limit`, and how many lines they carry. `at`: `since` by Redis' clock. */
  take(node: string, limit: number, at: number): { readonly pairs: string[]; readonly count: number } {
    const pairs: string[] = []
    let count = 0
    for (const entry of this.#entries.splice(0, limit)) {
      pairs.push(entry.channel, encodeMessage(node, entry.address, entry.count, at, entry.lines))
      count += entry.count
      this.#characters -= entry.lines.length
      if (this.#last.get(entry.channel) === entry) this.#last.delete(entry.channel)
    }
    this.#count -= count
    return { pairs, count }
  }

  /** Drops what was added before a moment, by `performance.now()`; returns how many lines. */
  dropBefore(moment: number): number {
    let dropped = 0
    let old = 0
    for (const entry of this.#entries) {
      if (entry.since >= moment) break
      old++
      dropped += entry.count
      this.#characters -= entry.lines.length
      if (this.#last.get(entry.channel) === entry) this.#last.delete(entry.channel)
    }
    if (old > 0) this.#entries = this.#entries.slice(old)
    this.#count -= dropped
    return dropped
  }

  clear(): void {
    this.#entries = []
    this.#last.clear()
    this.#count = 0
    this.#characters = 0
  }
}
