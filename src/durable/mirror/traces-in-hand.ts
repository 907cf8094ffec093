import type { Entry } from './entry.ts'

/**
 * The traces of events that this node has committed and is about to mirror. A fill may be faster, as it is with the first event
 * of every partition; what it reads from the ledger has none.
 */
export class TracesInHand {
  readonly #traces = new Map<string, string>()

  /** Knows them while the work goes on. */
  async during<T>(entries: readonly Entry[], work: () => Promise<T>): Promise<T> {
    const traced = entries.filter(({ trace }) => trace !== undefined)
    for (const entry of traced) this.#traces.set(keyOf(entry), entry.trace ?? '')
    try {
      return await work()
    } finally {
      for (const entry of traced) this.#traces.delete(keyOf(entry))
    }
  }

  addTo(entry: Entry): Entry {
    const trace = this.#traces.size === 0 ? undefined : this.#traces.get(keyOf(entry))
    return trace === undefined ? entry : { ...entry, trace }
  }
}

function keyOf({ partition, position, offset }: Entry): string {
  return `${partition}:${position}:${offset}`
}
