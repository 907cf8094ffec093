import { setImmediate as endOfTurn } from 'node:timers/promises'

/** Channels in one write to Redis, and clients in one script call. */
const channelsAtOnce = 100
const clientsAtOnce = 100

export interface Leaves {
  readonly channel: string
  readonly clients: readonly string[]
}

/**
 * Clients who have left and of whom Redis is to be told. Those of one turn of the event loop go as one write, and while
 * it is under way the next ones collect: a node from which thousands go at once, because it stops or its line was cut,
 * sends a write or two instead of thousands.
 */
export class PresenceLeaves {
  readonly #tell: (leaves: readonly Leaves[]) => Promise<void>
  readonly #waiting = new Map<string, Set<string>>()
  #telling: Promise<void> | undefined

  /** `tell` must not reject. */
  constructor(tell: (leaves: readonly Leaves[]) => Promise<void>) {
    this.#tell = tell
  }

  /** Resolves when it has been told. */
  add(channel: string, client: string): Promise<void> {
    const clients = this.#waiting.get(channel)
    if (clients) clients.add(client)
    else this.#waiting.set(channel, new Set([client]))
    this.#telling ??= this.#tellAll()
    return this.#telling
  }

  /** The client is back before anybody was told: its leave would come behind its return, and take it out again. */
  takeBack(channel: string, client: string): void {
    const clients = this.#waiting.get(channel)
    if (clients?.delete(client) && clients.size === 0) this.#waiting.delete(channel)
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    await this.#telling
  }

  async #tellAll(): Promise<void> {
    await endOfTurn()
    while (this.#waiting.size > 0) await this.#tell(this.#take())
    this.#telling = undefined
  }

  #take(): Leaves[] {
    const leaves: Leaves[] = []
    for (const [channel, waiting] of this.#waiting) {
      if (leaves.length >= channelsAtOnce) break
      this.#waiting.delete(channel)
      const clients = [...waiting]
      for (let i = 0; i < clients.length; i += clientsAtOnce)
        leaves.push({ channel, clients: clients.slice(i, i + clientsAtOnce) })
    }
    return leaves
  }
}
