import { isCanaryChannel } from '../domain/index.ts'

/** Counters of one kind. Above it the small ones are forgotten, see `note`. */
const maxCounters = 1_000

/** What is counted most, by a sketch of bounded size (Misra and Gries): no count is too high, and each too low by `error` at most. */
export class FrequentNames {
  readonly #counts = new Map<string, number>()
  #error = 0

  note(name: string): void {
    const count = this.#counts.get(name)
    if (count !== undefined || this.#counts.size < maxCounters) {
      this.#counts.set(name, (count ?? 0) + 1)
      return
    }
    // Each such walk takes away as many counts as it visits: on average it costs no more than the notes did.
    this.#error++
    for (const [each, kept] of this.#counts) {
      if (kept > 1) this.#counts.set(each, kept - 1)
      else this.#counts.delete(each)
    }
  }

  get error(): number {
    return this.#error
  }

  /** The most frequent first. */
  top(most: number): [name: string, count: number][] {
    return [...this.#counts].sort((a, b) => b[1] - a[1]).slice(0, most)
  }
}

/** A sample that is being taken, and when that ends. */
interface Flight {
  readonly counted: Omit<Sample, 'seconds'>
  readonly endsAt: number
  readonly ended: Promise<Sample>
}

export interface Sample {
  readonly seconds: number
  readonly channels: FrequentNames
  readonly users: FrequentNames
}

/**
 * Counts who publishes where, for as long as somebody wants to know; else it costs one comparison for each publication. No
 * more samples are under way than there are whole seconds somebody may ask for: each further one ends before the others.
 */
export class Sampler {
  readonly #flights = new Set<Flight>()
  #active = false

  get active(): boolean {
    return this.#active
  }

  note(channel: string, user: string | undefined): void {
    if (isCanaryChannel(channel)) return
    for (const { counted } of this.#flights) {
      counted.channels.note(channel)
      if (user !== undefined) counted.users.note(user)
    }
  }

  /** One that is under way and ends within the time is taken as it is; nobody waits longer than he wanted to. */
  async take(forMs: number): Promise<Sample> {
    const now = performance.now()
    for (const { endsAt, ended } of this.#flights) if (endsAt <= now + forMs) return ended
    const counted = { channels: new FrequentNames(), users: new FrequentNames() }
    const { promise: ended, resolve } = Promise.withResolvers<Sample>()
    const flight = { counted, endsAt: now + forMs, ended }
    this.#flights.add(flight)
    this.#active = true
    setTimeout(() => {
      this.#flights.delete(flight)
      this.#active = this.#flights.size > 0
      resolve({ seconds: (performance.now() - now) / 1_000, ...counted })
    }, forMs).unref()
    return ended
  }
}
