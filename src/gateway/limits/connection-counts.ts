/**
 * How many connections there are of each user, or of each address, and no more than so many. The empty name is not
 * counted: anonymous clients have only their namelessness in common.
 */
export class ConnectionCounts {
  readonly #most: number
  readonly #counts = new Map<string, number>()

  /** @param most 0: as many as come */
  constructor(most: number) {
    this.#most = most
  }

  has(key: string): boolean {
    return this.#most === 0 || (this.#counts.get(key) ?? 0) < this.#most
  }

  /** @returns whether there was room; then `leave` has to be called once */
  enter(key: string): boolean {
    if (!this.has(key)) return false
    if (this.#most > 0 && key !== '') this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
    return true
  }

  leave(key: string): void {
    const count = this.#counts.get(key) ?? 0
    if (count > 1) this.#counts.set(key, count - 1)
    else this.#counts.delete(key)
  }
}
