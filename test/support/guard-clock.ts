import type { Clock } from '../../src/resilience/index.ts'

/** A guard's clock that stands until it is told to go on. */
export class GuardClock implements Clock {
  #now = 1_000
  #order = 0
  #timers: { at: number; order: number; run: () => void }[] = []
  #reading: (() => void)[] = []

  now(): number {
    return this.#now
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, order: this.#order++, run }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter(each => each !== timer)
    }
  }

  afterReading(run: () => void): void {
    this.#reading.push(run)
  }

  /** Timers that are set. */
  get timers(): number {
    return this.#timers.length
  }

  /** Lets the time pass, one timer after the other; what they lead to ends before the next one. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await this.settle()
    for (;;) {
      const [next] = this.#timers
        .filter(({ at }) => at <= end)
        .sort((a, b) => a.at - b.at || a.order - b.order)
      if (!next) break
      this.#timers = this.#timers.filter(each => each !== next)
      this.#now = Math.max(this.#now, next.at)
      next.run()
      await this.settle()
    }
    this.#now = end
  }

  /** Everything that is decided already. */
  async settle(): Promise<void> {
    do {
      await new Promise(resolve => setImmediate(resolve))
      for (const run of this.#reading.splice(0)) run()
    } while (this.#reading.length > 0)
  }
}
