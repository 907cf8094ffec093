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

export interface Sample {
  readonly seconds: number
  readonly channels: FrequentNames
  readonly users: FrequentNames
}

/** Counts who publishes where, for as long as somebody wants to know; else it costs one comparison for each publication. */
export class Sampler {
  #sample: Sample | undefined
  #begun = 0

  get active(): boolean {
    return this.#sample !== undefined
  }

  note(channel: string, user: string | undefined): void {
    if (isCanaryChannel(channel)) return
    this.#sample?.channels.note(channel)
    if (user !== undefined) this.#sample?.users.note(user)
  }

  /** Those who ask while a sample is under way get that one, when it ends. */
  async take(forMs: number): Promise<Sample> {
    this.#flight ??= this.#take(forMs).finally(() => {
      this.#flight = undefined
    })
    return this.#flight
  }

  #flight: Promise<Sample> | undefined

  async #take(forMs: number): Promise<Sample> {
    this.#begun = performance.now()
    const sample = { channels: new FrequentNames(), users: new FrequentNames() }
    this.#sample = { seconds: 0, ...sample }
    await new Promise(resolve => setTimeout(resolve, forMs).unref())
    this.#sample = undefined
    return { seconds: (performance.now() - this.#begun) / 1_000, ...sample }
  }
}
