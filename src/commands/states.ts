/** The state of one aggregate as this process knows it. */
export interface Loaded {
  readonly epoch: string
  readonly state: unknown
  /** Of the last event in it. */
  readonly offset: number
  /** Of the newest snapshot that is known; 0 for none. */
  readonly snapshotAt: number
  /** The channel's last erasure before the state was loaded; 0 for none. */
  readonly erasure: number
  /** When that was looked at last, by `performance.now()`. */
  checkedAt: number
  /** Others write to the channel: it is better read before it is decided in. */
  contended: boolean
}

/** States of different aggregates in all. */
const maxStates = 1_000
/** What nobody uses is not kept. */
const idleMs = 60_000
const sweepMs = 10_000

/**
 * States that were used last, so that a command on a busy aggregate reads only what is new, or nothing. None is needed:
 * a state that is not here is loaded.
 */
export class States {
  /** The one that was used last is the last one. */
  readonly #states = new Map<string, { readonly loaded: Loaded; usedAt: number }>()
  readonly #sweeper: NodeJS.Timeout

  constructor() {
    this.#sweeper = setInterval(() => this.#sweep(performance.now()), sweepMs).unref()
  }

  get(key: string): Loaded | undefined {
    return this.#states.get(key)?.loaded
  }

  set(key: string, loaded: Loaded): void {
    this.#states.delete(key)
    this.#states.set(key, { loaded, usedAt: performance.now() })
    if (this.#states.size <= maxStates) return
    const [oldest] = this.#states.keys()
    if (oldest !== undefined) this.#states.delete(oldest)
  }

  delete(key: string): void {
    this.#states.delete(key)
  }

  clear(): void {
    this.#states.clear()
  }

  close(): void {
    clearInterval(this.#sweeper)
    this.clear()
  }

  #sweep(now: number): void {
    for (const [key, { usedAt }] of this.#states) {
      if (now - usedAt < idleMs) return
      this.#states.delete(key)
    }
  }
}
