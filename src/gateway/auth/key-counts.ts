/** How the keys of tokens have been fetched in this process. */
export class KeyCounts {
  readonly fetches = { succeeded: 0, failed: 0 }
  #at: number | undefined

  /** Seconds since the fetch that gave the present keys; undefined where none has. */
  get age(): number | undefined {
    return this.#at === undefined ? undefined : (Date.now() - this.#at) / 1_000
  }

  succeeded(at: number): void {
    this.fetches.succeeded++
    this.#at = at
  }

  failed(): void {
    this.fetches.failed++
  }
}
