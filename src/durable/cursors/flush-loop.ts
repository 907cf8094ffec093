import { setTimeout as delay } from 'node:timers/promises'

export interface FlushLoopOptions<T> {
  /** What goes with the next flush; nothing: there is none. */
  readonly take: () => readonly T[]
  /** Must not reject. */
  readonly flush: (items: readonly T[]) => Promise<void>
  /** From the beginning of one flush to that of the next, at least; a lone one never waits. */
  readonly paceMs: number
}

/** One flush at a time: while it is under way the next one collects. */
export class FlushLoop<T> {
  readonly #options: FlushLoopOptions<T>
  #running: Promise<void> | undefined
  #last = Number.NEGATIVE_INFINITY

  constructor(options: FlushLoopOptions<T>) {
    this.#options = options
  }

  /** There is something to flush. */
  wake(): void {
    this.#running ??= this.#run()
  }

  /** Resolves when nothing is left. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running
  }

  async #run(): Promise<void> {
    const { take, flush, paceMs } = this.#options
    // After the sockets of this turn have been read: what they brought goes together.
    await new Promise(resolve => setImmediate(resolve))
    for (;;) {
      const early = this.#last + paceMs - performance.now()
      if (early > 0) await delay(early)
      const items = take()
      if (items.length === 0) break
      this.#last = performance.now()
      await flush(items)
    }
    this.#running = undefined
  }
}
