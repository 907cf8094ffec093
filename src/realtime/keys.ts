/**
 * Names in Redis, all under one prefix. The keys of one channel share a hash tag, so that one script stays in one
 * slot of a cluster.
 */
export interface HistoryKeys {
  readonly history: string
  readonly meta: string
}

export interface PresenceKeys {
  readonly who: string
  readonly until: string
  readonly users: string
}

export class Keys {
  readonly #prefix: string

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  /** The bus channel of a channel. */
  bus(channel: string): string {
    return `${this.#prefix}:c:${channel}`
  }

  control(): string {
    return `${this.#prefix}:control`
  }

  /** On which a node hears itself: one on every connection of its Pub/Sub. */
  loopBacks(node: string): readonly string[] {
    return [`${this.#prefix}:loopback:${node}`]
  }

  history(channel: string): HistoryKeys {
    return { history: `${this.#prefix}:{${channel}}:history`, meta: `${this.#prefix}:{${channel}}:meta` }
  }

  /** Where the outcome of a publish with an idempotency key is remembered. */
  memory(channel: string, idempotencyKey: string): string {
    return `${this.#prefix}:{${channel}}:once:${idempotencyKey}`
  }

  presence(channel: string): PresenceKeys {
    const start = `${this.#prefix}:{${channel}}:presence`
    return { who: `${start}:who`, until: `${start}:until`, users: `${start}:users` }
  }
}
