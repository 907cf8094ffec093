import { setImmediate as endOfTurn } from 'node:timers/promises'

/** Channels in one write to Redis, and clients in one script call. */
const channelsAtOnce = 100
const clientsAtOnce = 100
/** More are not kept for a Redis that is away: those that are left out go by their expiry. */
const maxWaiting = 100_000

export interface Leaves {
  readonly channel: string
  readonly clients: readonly string[]
}

/**
 * Clients who have left and of whom Redis is to be told. Those of one turn of the event loop go as one write, and while
 * it is under way the next ones collect: a node from which thousands go at once, because it stops or its line was cut,
 * sends a write or two instead of thousands. Where Redis can't be told they wait for `tellAgain`: who left while Redis
 * was away is not present when it is back.
 */
export class PresenceLeaves {
  readonly #tell: (leaves: readonly Leaves[]) => Promise<boolean>
  readonly #isBack: (channel: string, client: string) => boolean
  readonly #waiting = new Map<string, Set<string>>()
  #count = 0
  #telling: Promise<void> | undefined

  /** `tell` says whether Redis has heard of them and must not reject; `isBack`: whether one has entered again since. */
  constructor(
    tell: (leaves: readonly Leaves[]) => Promise<boolean>,
    isBack: (channel: string, client: string) => boolean,
  ) {
    this.#tell = tell
    this.#isBack = isBack
  }

  /** Resolves when it has been told, or can't be now. */
  add(channel: string, client: string): Promise<void> {
    this.#keep(channel, client)
    return this.tellAgain()
  }

  /** Clients of a channel whom Redis, asked at this moment, may call present although they have left. */
  of(channel: string): ReadonlySet<string> {
    return new Set(this.#waiting.get(channel))
  }

  /** The client is back before anybody was told: its leave would come behind its return, and take it out again. */
  takeBack(channel: string, client: string): void {
    const clients = this.#waiting.get(channel)
    if (!clients?.delete(client)) return
    this.#count--
    if (clients.size === 0) this.#waiting.delete(channel)
  }

  /** Tells of those who wait, if any. */
  tellAgain(): Promise<void> {
    if (this.#waiting.size === 0) return Promise.resolve()
    this.#telling ??= this.#tellAll().finally(() => {
      this.#telling = undefined
    })
    return this.#telling
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#telling
  }

  #keep(channel: string, client: string): void {
    if (this.#count >= maxWaiting) return
    const clients = this.#waiting.get(channel)
    if (clients?.has(client)) return
    this.#count++
    if (clients) clients.add(client)
    else this.#waiting.set(channel, new Set([client]))
  }

  async #tellAll(): Promise<void> {
    await endOfTurn()
    while (this.#waiting.size > 0) {
      const leaves = this.#take()
      if (await this.#tell(leaves)) continue
      for (const { channel, clients } of leaves)
        for (const client of clients) if (!this.#isBack(channel, client)) this.#keep(channel, client)
      return
    }
  }

  #take(): Leaves[] {
    const leaves: Leaves[] = []
    for (const [channel, waiting] of this.#waiting) {
      if (leaves.length >= channelsAtOnce) break
      this.#waiting.delete(channel)
      this.#count -= waiting.size
      const clients = [...waiting]
      for (let i = 0; i < clients.length; i += clientsAtOnce)
        leaves.push({ channel, clients: clients.slice(i, i + clientsAtOnce) })
    }
    return leaves
  }
}
