import { HoldfastError } from '../domain/index.ts'

/** Commands of this process that are under way, over all channels. */
const maxWaiting = 10_000
/** And on one channel, so that one that is flooded leaves places to the others: more than can be carried out in time. */
const maxOnChannel = 2_000

/**
 * Lets the commands of one channel run one after the other: side by side they would only conflict. Those of other
 * channels, and of other nodes, do not wait.
 */
export class Turns {
  readonly #lines = new Map<string, { end: Promise<void> | undefined; length: number }>()
  #waiting = 0

  /** @throws HoldfastError OVERLOADED, and what `act` throws */
  async run<T>(channel: string, act: () => Promise<T>): Promise<T> {
    if (this.#waiting >= maxWaiting) {
      throw new HoldfastError('OVERLOADED', `${this.#waiting} commands wait already`)
    }
    const line = this.#lines.get(channel) ?? { end: undefined, length: 0 }
    if (line.length >= maxOnChannel) {
      throw new HoldfastError('OVERLOADED', `${line.length} commands wait already on ${channel}`)
    }
    this.#waiting++
    line.length++
    const before = line.end
    const { promise, resolve } = Promise.withResolvers<void>()
    line.end = promise
    this.#lines.set(channel, line)
    try {
      if (before) await before
      return await act()
    } finally {
      this.#waiting--
      line.length--
      if (line.length === 0) this.#lines.delete(channel)
      resolve()
    }
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#lines.size > 0) await Promise.all([...this.#lines.values()].map(({ end }) => end))
  }
}
