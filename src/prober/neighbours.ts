import type { BusView } from './flights.ts'
import { heardBy } from './places.ts'

/** After the bus has come back it takes so long until every node that lives was heard of again. */
const believableAfterMs = 12_000
/** Who listens to a node are the ones before it in the ring, and while that changes one more. */
const mostListeners = 3

export interface NeighboursOptions {
  readonly node: string
  /** Other nodes with canaries that were heard of lately. */
  readonly others: () => readonly string[]
  readonly bus: () => BusView
}

/** Which other nodes this one listens to, and which ones listen to it: they said so. */
export class Neighbours {
  readonly #options: NeighboursOptions
  readonly #listeners = new Set<string>()
  #heard: readonly string[] = []

  constructor(options: NeighboursOptions) {
    this.#options = options
  }

  get listeners(): ReadonlySet<string> {
    return this.#listeners
  }

  /** Those that this node listens to. */
  get heard(): readonly string[] {
    return this.#heard
  }

  /** Looks who is there; the ones to listen to from now on, and those no more. */
  look(): { readonly joined: readonly string[]; readonly left: readonly string[] } {
    const { node, others, bus } = this.#options
    const present = others()
    const { connected, since } = bus()
    // Whoever is not heard over a bus that is away may be there all the same.
    const believable = connected && performance.now() - since > believableAfterMs
    if (believable)
      for (const each of this.#listeners) if (!present.includes(each)) this.#listeners.delete(each)
    const before = this.#heard
    this.#heard = heardBy(node, believable ? present : [...present, ...before])
    return {
      joined: this.#heard.filter(each => !before.includes(each)),
      left: before.filter(each => !this.#heard.includes(each)),
    }
  }

  hello(from: string): void {
    if (this.#listeners.size < mostListeners) this.#listeners.add(from)
  }

  bye(from: string): void {
    this.#listeners.delete(from)
  }

  /** Whether its answer has to come: it listens, and nobody knows that it is gone. */
  listening(from: string): boolean {
    if (!this.#listeners.has(from)) return false
    const { connected } = this.#options.bus()
    return !connected || this.#options.others().includes(from)
  }
}
