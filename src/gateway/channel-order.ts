/**
 * Lets commands of one session on the same channel start in their order, and those on different channels side by
 * side. A command holds its channel until it lets go: an append when it has been handed to the ledger (so that
 * several are in one commit), a subscribe when it is done.
 */
export class ChannelOrder {
  readonly #tails = new Map<string, Promise<void>>()

  async run<T>(channel: string, act: (letGo: () => void) => Promise<T>): Promise<T> {
    const before = this.#tails.get(channel)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#tails.set(channel, promise)
    const letGo = () => {
      resolve()
      if (this.#tails.get(channel) === promise) this.#tails.delete(channel)
    }
    try {
      if (before) await before
      return await act(letGo)
    } finally {
      letGo()
    }
  }
}
