import { HoldfastError } from '../domain/index.ts'

/** Commands of this process that are under way, over all channels. */
const maxWaiting = 10_000

/**
 * Lets the commands of one channel run one after the other: side by side they would only conflict. Those of other
 * channels, and of other nodes, do not wait.
 */
export class Turns {
  readonly #last = new Map<string, Promise<void>>()
  #waiting = 0

  /** @throws HoldfastError OVERLOADED, and what `act` throws */
  async run<T>(channel: string, act: () => Promise<T>): Promise<T> {
    if (this.#waiting >= maxWaiting) {
      throw new HoldfastError('OVERLOADED', `${this.#waiting} commands wait already`)
    }
    this.#waiting++
    const before = this.#last.get(channel)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#last.set(channel, promise)
    try {
      if (before) await before
      return await act()
    } finally {
      this.#waiting--
      if (this.#last.get(channel) === promise) this.#last.delete(channel)
      resolve()
    }
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#last.size > 0) await Promise.all(this.#last.values())
  }
}
