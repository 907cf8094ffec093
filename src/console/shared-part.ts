import { asHoldfastError } from '../domain/index.ts'
import type { Part, SourceName } from './wire-common.ts'

export interface SharedPartOptions {
  /** For so long an answer is everybody's (default 1,000). */
  readonly sharedMs?: number
  readonly source?: SourceName
}

/**
 * Something that is asked of a source, once for all who look within a second. Where the source is silent the last answer is
 * told with its age, and why there is no newer one.
 */
export class SharedPart<T> {
  readonly #read: () => Promise<T>
  readonly #sharedMs: number
  readonly #source: SourceName
  #last: { readonly value: T; readonly at: number } | undefined
  #flight: Promise<Part<T>> | undefined

  constructor(read: () => Promise<T>, { sharedMs = 1_000, source = 'postgres' }: SharedPartOptions = {}) {
    this.#read = read
    this.#sharedMs = sharedMs
    this.#source = source
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
    if (this.#last && Date.now() - this.#last.at < this.#sharedMs && Date.now() >= this.#last.at)
      return this.last
    this.#flight ??= this.#ask().finally(() => {
      this.#flight = undefined
    })
    return this.#flight
  }

  async #ask(): Promise<Part<T>> {
    const part = await partOf(this.#source, this.#read)
    if (part.problem !== null) return { ...this.last, problem: part.problem }
    this.#last = { value: part.value as T, at: part.at ?? Date.now() }
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
