import { randomBytes } from 'node:crypto'

/** More than can be under way at once; the oldest go. */
const maxDelivered = 20_000

/**
 * Publications travel to Redis under a mark. Where Redis has not said in time whether it published one, this node's own
 * subscribers get it at once. By its mark it is told whether the bus has brought it already, and, should Redis have
 * published it after all, that they have it.
 */
export class Marks {
  /** Of this process, so that no mark of an earlier one under the same node id is taken for one of ours. */
  readonly #life = randomBytes(6).toString('base64url')
  readonly #pending = new Set<string>()
  readonly #delivered = new Set<string>()
  #made = 0

  /** Of a publication whose fate will be told by `settle` or `giveUp`. */
  next(): string {
    const mark = `${this.#life}.${++this.#made}`
    this.#pending.add(mark)
    return mark
  }

  /** Redis has answered. */
  settle(mark: string): void {
    this.#pending.delete(mark)
  }

  /** Its subscribers here get it otherwise; whether the bus has not brought it to them before. */
  giveUp(mark: string): boolean {
    if (!this.#pending.delete(mark)) return false
    this.#delivered.add(mark)
    if (this.#delivered.size <= maxDelivered) return true
    for (const oldest of this.#delivered) {
      this.#delivered.delete(oldest)
      break
    }
    return true
  }

  /** The bus will not bring it after all, or to nobody here. */
  forget(mark: string): void {
    this.#delivered.delete(mark)
  }

  /** The bus brings it; whether its subscribers here have it already. */
  brought(mark: string): boolean {
    return !this.#pending.delete(mark) && this.#delivered.delete(mark)
  }
}
