import type { LoopBackOptions } from './loopback.ts'
import type { MessageHandler } from './pubsub.ts'
import type { ShardedPubSub } from './sharded-pubsub.ts'

/** Messages of which it is remembered where they have not come back. */
const maxMissing = 4

/**
 * What a loop-back needs where Pub/Sub has several connections: a message goes out on a channel of each, and is back when
 * it has come over all of them. Only those over which it has not come are made anew.
 */
export class ShardedLoop implements Pick<LoopBackOptions, 'publish'> {
  readonly #pubsub: ShardedPubSub
  readonly #names: readonly string[]
  readonly #publish: (pairs: readonly string[]) => Promise<unknown>
  readonly #missing = new Map<string, Set<string>>()
  #subscribed: readonly string[] = []

  /** @param names channels of this node's own, in so many slots that every connection has one */
  constructor(
    pubsub: ShardedPubSub,
    names: readonly string[],
    publish: (pairs: readonly string[]) => Promise<unknown>,
  ) {
    this.#pubsub = pubsub
    this.#names = names
    this.#publish = publish
  }

  get ready(): boolean {
    return this.#pubsub.ready
  }

  get connection(): number {
    return this.#pubsub.connection
  }

  onReconnect(listener: (subscribedAgain: number) => void): () => void {
    return this.#pubsub.onReconnect(listener)
  }

  barrier(): Promise<void> {
    return this.#pubsub.barrier()
  }

  async subscribe(_: string, handler: MessageHandler): Promise<void> {
    this.#missing.clear()
    const before = this.#subscribed
    this.#subscribed = this.#spread()
    for (const name of before) if (!this.#subscribed.includes(name)) this.#pubsub.unsubscribe(name)
    await Promise.all(
      this.#subscribed.map(name =>
        this.#pubsub.subscribe(name, payload => this.#hear(name, payload, handler)),
      ),
    )
  }

  readonly publish = async (_: string, message: string): Promise<void> => {
    const names = this.#subscribed
    this.#missing.set(message, new Set(names))
    for (const [oldest] of this.#missing) {
      if (this.#missing.size <= maxMissing) break
      this.#missing.delete(oldest)
    }
    await this.#publish(names.flatMap(name => [name, message]))
  }

  renew(reason: string): void {
    // The latest may still be under way; what the oldest lacks, the others lack as well.
    const [missing = new Set<string>()] = this.#missing.values()
    this.#missing.clear()
    for (const name of missing) this.#pubsub.renew(reason, name)
  }

  #hear(name: string, payload: Buffer, handler: MessageHandler): void {
    const message = payload.toString('latin1')
    const missing = this.#missing.get(message)
    if (!missing?.delete(name) || missing.size > 0) return
    this.#missing.delete(message)
    handler(payload)
  }

  /** The first name on each connection. */
  #spread(): readonly string[] {
    const byNode = new Map<string | undefined, string>()
    for (const name of this.#names) {
      const at = this.#pubsub.nodeOf(name)
      if (!byNode.has(at)) byNode.set(at, name)
    }
    return [...byNode.values()]
  }
}
