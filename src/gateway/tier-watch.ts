import { pushMessage } from '../protocol/index.ts'
import type { Router } from './types.ts'

/** What this node can do, in the words of the wire. */
export interface TierState {
  /** `local`: what is published reaches the clients of this node only. */
  readonly realtime: 'ready' | 'local'
  /** `slow`: read from the ledger, without its hot copy. `none`: there is no ledger. */
  readonly durable: 'ready' | 'slow' | 'unavailable' | 'none'
}

/** A session that wants to know. */
interface Watcher {
  tell(line: string): void
}

export interface TierWatchOptions {
  readonly status: Router['status']
  /** Whether there is a ledger at all. */
  readonly durable: boolean
}

/** So many are told in one go; then what else has to be done has its turn. */
const toldAtOnce = 500

/**
 * Tells clients that asked for it how their node is, each time that changes: it is their own node's word over the
 * connection that they have, so it comes whatever is away.
 */
export class TierWatch {
  readonly #options: TierWatchOptions
  readonly #watchers = new Set<Watcher>()
  #told: string
  /** Of the bus, as many as watchers know of. */
  #losses: number
  #telling = false

  constructor(options: TierWatchOptions) {
    this.#options = options
    this.#losses = options.status().busLosses
    this.#told = this.#state()
  }

  get size(): number {
    return this.#watchers.size
  }

  /** As JSON text, and no newer than what watchers were told: a change since then is still to come. */
  get state(): string {
    return this.#told
  }

  watch(watcher: Watcher): string {
    this.#watchers.add(watcher)
    return this.#told
  }

  forget(watcher: Watcher): void {
    this.#watchers.delete(watcher)
  }

  /**
   * Called now and then. A loss of the bus since the last look is told as if it lasted until the next one: what others
   * sent in the meantime is missing, and clients only ask for it again after they have heard that it was away.
   */
  look(): void {
    // Each hears every state, so that nobody is told of an end without its beginning.
    if (this.#telling) return
    const state = this.#state()
    if (state === this.#told) return
    this.#told = state
    void this.#tellAll()
  }

  #state(): string {
    const { bus, busLosses, durable } = this.#options.status()
    const stood = busLosses === this.#losses
    this.#losses = busLosses
    const state: TierState = {
      realtime: bus === 'ready' && stood ? 'ready' : 'local',
      durable: !this.#options.durable
        ? 'none'
        : durable.ledger !== 'ready'
          ? 'unavailable'
          : durable.mirror === 'unreachable'
            ? 'slow'
            : 'ready',
    }
    return JSON.stringify(state)
  }

  async #tellAll(): Promise<void> {
    this.#telling = true
    const line = pushMessage(`{"holdfast":{"state":${this.#told}}}`)
    let count = 0
    for (const watcher of [...this.#watchers]) {
      if (++count % toldAtOnce === 0) await new Promise(resolve => setImmediate(resolve))
      if (this.#watchers.has(watcher)) watcher.tell(line)
    }
    this.#telling = false
  }
}
