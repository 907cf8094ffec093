/**
 * Lets commands of one session on the same channel start in their order, and those on different channels side by
 * side. A command holds its channel until it lets go: an append when it has been handed to the ledger (so that
 * several are in one commit), a subscribe or an aggregate's command when it is done.
 */
export class ChannelOrder {
  /** Made with the first command: most connections of a large node are idle. */
  #tails: Map<string, Promise<void>> | undefined

  async run<T>(channel: string, act: (letGo: () => void) => Promise<T>): Promise<T> {
    this.#tails ??= new Map()
    const tails = this.#tails
    const before = tails.get(channel)
    const { promise, resolve } = Promise.withResolvers<void>()
    tails.set(channel, promise)
    const letGo = () => {
      resolve()
      if (tails.get(channel) === promise) tails.delete(channel)
    }
    try {
      if (before) await before
      return await act(letGo)
    } finally {
      letGo()
    }
  }
}
