import type { Invariant } from '../types.ts'

/** An invariant that a run has broken. */
export interface Violation {
  readonly invariant: Invariant
  readonly count: number
  /** The first few, in words. */
  readonly examples: readonly string[]
}

const mostExamples = 5

/** Collects what breaks invariants, few of each in words and all by number. */
export class Findings {
  readonly #found = new Map<Invariant, { count: number; examples: string[] }>()

  add(invariant: Invariant, example: string): void {
    const known = this.#found.get(invariant) ?? { count: 0, examples: [] }
    this.#found.set(invariant, known)
    known.count++
    if (known.examples.length < mostExamples) known.examples.push(example)
  }

  get violations(): Violation[] {
    return [...this.#found].map(([invariant, found]) => ({ invariant, ...found }))
  }
}
