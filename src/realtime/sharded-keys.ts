import { type HistoryKeys, Keys, type PresenceKeys } from './keys.ts'

/** Fixed for good: nodes that disagree about it do not hear each other. More than a Cluster has masters, by far. */
const shards = 64

/**
 * Names on a Redis Cluster. The channels are spread over shards, `{<prefix>.<n>}`, each of which lies in one slot: what is
 * written about a channel and what is published on it stay together, and every node publishes to a few slots instead of
 * to as many as there are channels.
 */
export class ShardedKeys extends Keys {
  readonly #tags: readonly string[]

  constructor(prefix: string) {
    super(prefix)
    this.#tags = Array.from({ length: shards }, (_, n) => `{${prefix}.${n}}`)
  }

  override bus(channel: string): string {
    return `${this.#tag(channel)}:c:${channel}`
  }

  override control(): string {
    return `${this.#tags[0]}:control`
  }

  /** One in each shard. */
  override loopBacks(node: string): readonly string[] {
    return this.#tags.map(tag => `${tag}:loopback:${node}`)
  }

  override history(channel: string): HistoryKeys {
    const tag = this.#tag(channel)
    return { history: `${tag}:history:${channel}`, meta: `${tag}:meta:${channel}` }
  }

  override memory(channel: string, idempotencyKey: string): string {
    // Both may have colons.
    return `${this.#tag(channel)}:once:${channel.length}:${channel}:${idempotencyKey}`
  }

  override presence(channel: string): PresenceKeys {
    const tag = this.#tag(channel)
    return {
      who: `${tag}:presence-who:${channel}`,
      until: `${tag}:presence-until:${channel}`,
      users: `${tag}:presence-users:${channel}`,
    }
  }

  #tag(channel: string): string {
    return this.#tags[fnv1a(channel) % shards] as string
  }
}

/** Spreads well, and is the same in every process and release. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
