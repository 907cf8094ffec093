import { randomBytes } from 'node:crypto'

/** More than can be under way at once; the oldest go. */
const maxMarks = 20_000

/**
 * Publications travel to Redis under a mark. Where Redis has not said in time whether it published one, this node's own
 * subscribers get it at once, and its mark is kept: should Redis have published it after all, they do not get it twice.
 */
export class DeliveredHere {
  /** Of this process, so that no mark of an earlier one under the same node id is taken for one of ours. */
  readonly #life = randomBytes(6).toString('base64url')
  readonly #marks = new Set<string>()
  #made = 0

  next(): string {
    return `${this.#life}.${++this.#made}`
  }

  add(mark: string): void {
    this.#marks.add(mark)
    if (this.#marks.size <= maxMarks) return
    for (const oldest of this.#marks) {
      this.#marks.delete(oldest)
      return
    }
  }

  /** Whether it was delivered here; it comes over the bus once at most, so it is forgotten then. */
  take(mark: string | undefined): boolean {
    return mark !== undefined && this.#marks.delete(mark)
  }
}
