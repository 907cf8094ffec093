import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type Redis, type RedisCluster, slotOf } from '../platform/index.ts'

/** How often a message is brought to the next node that is said to serve its slot. */
const maxTries = 5
/** A node learns of a move a moment after the one that has made it. */
const restMs = 20

type Pairs = string[]

/**
 * Publishes over a Redis Cluster: what belongs to the slots of one node goes there in one call. Where a slot has moved,
 * its messages follow it; they keep their order, because the caller waits before it sends more.
 */
export class ClusterPublishing {
  readonly #cluster: RedisCluster
  readonly #lua: string
  readonly #sha: string

  constructor(cluster: RedisCluster, lua: string) {
    this.#cluster = cluster
    this.#lua = lua
    this.#sha = createHash('sha1').update(lua).digest('hex')
  }

  /** Without pairs every node is asked for a sign of life. `clock`: of the node that is ahead of the others. */
  async publish(notAfter: number, pairs: readonly string[]): Promise<{ clock: number; late: boolean }> {
    let clock = 0
    let late = false
    let left: readonly string[] = pairs
    for (let tries = 0; tries < maxTries; tries++) {
      const { calls, unserved } = this.#byNode(left)
      const answers = await Promise.all(calls.map(([node, own]) => this.#call(node, notAfter, own)))
      const refused: string[] = unserved
      for (const [i, [time = 0, ...places]] of answers.entries()) {
        clock = Math.max(clock, Math.abs(time))
        late ||= time < 0
        const own = calls[i]?.[1] ?? []
        for (const place of places) refused.push(...own.slice(2 * place - 2, 2 * place))
      }
      if (refused.length === 0) return { clock, late }
      left = refused
      await delay(restMs * tries)
      await this.#cluster.refresh()
    }
    throw new SlotUnserved(left[0] ?? '')
  }

  #byNode(pairs: readonly string[]): { calls: readonly (readonly [Redis, Pairs])[]; unserved: Pairs } {
    const masters = this.#cluster.masters()
    if (pairs.length === 0) return { calls: [...masters.values()].map(node => [node, []]), unserved: [] }
    const byKey = new Map<string, Pairs>()
    const unserved: Pairs = []
    for (let i = 0; i + 1 < pairs.length; i += 2) {
      const [channel = '', message = ''] = pairs.slice(i, i + 2)
      const key = this.#cluster.masterKeyOf(slotOf(channel))
      if (key === undefined || !masters.has(key)) {
        unserved.push(channel, message)
        continue
      }
      const own = byKey.get(key)
      if (own) own.push(channel, message)
      else byKey.set(key, [channel, message])
    }
    const calls = [...byKey].map(([key, own]) => [masters.get(key) as Redis, own] as const)
    return { calls, unserved }
  }

  async #call(node: Redis, notAfter: number, pairs: Pairs): Promise<number[]> {
    try {
      return (await node.call('EVALSHA', this.#sha, 0, notAfter, ...pairs)) as number[]
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return (await node.call('EVAL', this.#lua, 0, notAfter, ...pairs)) as number[]
    }
  }
}

/** An answer of Redis like others: it speaks against no node's health. */
class SlotUnserved extends Error {
  override readonly name = 'ReplyError'

  constructor(channel: string) {
    super(`no node of the Redis Cluster takes messages for the slot of ${channel}`)
  }
}
