import { maxJoinedCharacters } from '../hub/index.ts'
import type { Traced } from '../tracing/index.ts'
import { type Address, encodeMessage } from './envelope.ts'

interface Entry {
  readonly channel: string
  readonly address: Address
  readonly since: number
  lines: string
  count: number
  /** Of the lines that are traced. */
  spans: Traced[] | undefined
}

/** Of more lines in one message it is not told how they fared elsewhere. */
const maxTraced = 64

export interface Taken {
  readonly pairs: string[]
  /** Lines of applications: what nodes tell each other they repeat. */
  readonly count: number
  /** To be ended when it is known what became of it. */
  readonly spans: readonly Traced[] | undefined
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

  add(channel: string, address: Address, line: string, span?: Traced): void {
    this.#count++
    this.#characters += line.length
    const last = this.#last.get(channel)
    const joins = address === 'all' && last?.address === 'all'
    if (joins && last.lines.length + line.length <= maxJoinedCharacters) {
      last.lines += `\n${line}`
      last.count++
      this.#characters++
      if (span) carry(last, span)
      return
    }
    const spans = span && [span]
    const entry = { channel, address, since: performance.now(), lines: line, count: 1, spans }
    this.#entries.push(entry)
    this.#last.set(channel, entry)
  }

  /** Takes the first messages out, at most `limit`, and how many lines they carry. `at`: `since` by Redis' clock. */
  take(node: string, limit: number, at: number): Taken {
    const pairs: string[] = []
    let spans: Traced[] | undefined
    let count = 0
    for (const entry of this.#entries.splice(0, limit)) {
      this.#count -= entry.count
      const traces = entry.spans?.map(({ traceparent }) => traceparent).join()
      pairs.push(entry.channel, encodeMessage(node, entry.address, entry.count, at, entry.lines, traces))
      if (entry.spans) spans = spans ? [...spans, ...entry.spans] : entry.spans
      count += linesOf(entry)
      this.#characters -= entry.lines.length
      if (this.#last.get(entry.channel) === entry) this.#last.delete(entry.channel)
    }
    return { pairs, count, spans }
  }

  /** Drops what was added before a moment, by `performance.now()`; returns how many lines of applications. */
  dropBefore(moment: number): number {
    let dropped = 0
    let old = 0
    for (const entry of this.#entries) {
      if (entry.since >= moment) break
      old++
      dropped += linesOf(entry)
      this.#count -= entry.count
      endAll(entry.spans, 'late')
      this.#characters -= entry.lines.length
      if (this.#last.get(entry.channel) === entry) this.#last.delete(entry.channel)
    }
    if (old > 0) this.#entries = this.#entries.slice(old)
    return dropped
  }

  /** Drops all of it for a reason; returns how many lines of applications. */
  clear(reason: string): number {
    let dropped = 0
    for (const entry of this.#entries) {
      dropped += linesOf(entry)
      endAll(entry.spans, reason)
    }
    this.#entries = []
    this.#last.clear()
    this.#count = 0
    this.#characters = 0
    return dropped
  }
}

function linesOf({ address, count }: Entry): number {
  return address === 'control' ? 0 : count
}

function carry(entry: Entry, span: Traced): void {
  entry.spans ??= []
  if (entry.spans.length < maxTraced) entry.spans.push(span)
  else span.end()
}

/** Ends spans, with what has gone wrong. */
export function endAll(spans: readonly Traced[] | undefined, wrong?: string): void {
  if (spans) for (const span of spans) span.end(wrong)
}
