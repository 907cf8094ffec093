import { asHoldfastError } from '../domain/index.ts'
import type { Part, SourceName } from './wire-common.ts'

export interface SharedPartOptions {
  /** For so long an answer is everybody's (default 1,000). */
  readonly sharedMs?: number
  readonly source?: SourceName
  /** When somebody has last changed something here, by `performance.now`: what was asked before is nobody's any more. */
  readonly changedAt?: () => number
}

/**
 * Something that is asked of a source, once for all who look within a second. Where the source is silent the last answer is
 * told with its age, and why there is no newer one.
 */
export class SharedPart<T> {
  readonly #read: () => Promise<T>
  readonly #sharedMs: number
  readonly #source: SourceName
  readonly #changedAt: () => number
  #last: { readonly value: T; readonly at: number; readonly asked: number } | undefined
  #flight: { readonly part: Promise<Part<T>>; readonly asked: number } | undefined

  constructor(read: () => Promise<T>, options: SharedPartOptions = {}) {
    const { sharedMs = 1_000, source = 'postgres', changedAt = () => Number.NEGATIVE_INFINITY } = options
    this.#read = read
    this.#sharedMs = sharedMs
    this.#source = source
    this.#changedAt = changedAt
  }

  /** The last answer, of whatever age, without asking. */
  get last(): Part<T> {
    return {
      value: this.#last?.value ?? null,
      source: this.#source,
      at: this.#last?.at ?? null,
      problem: this.#last ? null : 'Postgres was not asked yet',
    }
  }

  async get(): Promise<Part<T>> {
    const changed = this.#changedAt()
    if (this.#last && this.#last.asked > changed && this.#isFresh(this.#last.at)) return this.last
    if (this.#flight && this.#flight.asked > changed) return this.#flight.part
    const asked = performance.now()
    const flight = {
      asked,
      part: this.#ask(asked).finally(() => {
        if (this.#flight === flight) this.#flight = undefined
      }),
    }
    this.#flight = flight
    return flight.part
  }

  #isFresh(at: number): boolean {
    const age = Date.now() - at
    return age >= 0 && age < this.#sharedMs
  }

  async #ask(asked: number): Promise<Part<T>> {
    const part = await partOf(this.#source, this.#read)
    if (part.problem !== null) return { ...this.last, problem: part.problem }
    // One that was asked later may have answered sooner.
    if (!this.#last || asked > this.#last.asked)
      this.#last = { value: part.value as T, at: part.at ?? Date.now(), asked }
    return part
  }
}

/** What a source answers, or why it does not. Refusals of the question itself are thrown. */
export async function partOf<T>(source: SourceName, read: () => Promise<T>): Promise<Part<T>> {
  try {
    return { value: await read(), source, at: Date.now(), problem: null }
  } catch (thrown) {
    const error = asHoldfastError(thrown)
    if (error.remedy === 'fix_request') throw error
    return { value: null, source, at: null, problem: error.message }
  }
}
