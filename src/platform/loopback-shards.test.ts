import { describe, expect, it } from 'vitest'
import { ShardedLoop } from './loopback-shards.ts'
import type { MessageHandler } from './pubsub.ts'
import type { ShardedPubSub } from './sharded-pubsub.ts'

/** Three nodes, of which some may be deaf; names end in the number of their node. */
class Scripted {
  readonly handlers = new Map<string, MessageHandler>()
  readonly renewed: string[] = []
  readonly deaf = new Set<string>()
  /** Where a node's slots have gone. */
  readonly moved = new Map<string, string>()
  readonly ready = true
  readonly connection = 0

  nodeOf(name: string): string {
    const node = name.slice(-1)
    return this.moved.get(node) ?? node
  }

  async subscribe(name: string, handler: MessageHandler): Promise<void> {
    this.handlers.set(name, handler)
  }

  unsubscribe(name: string): void {
    this.handlers.delete(name)
  }

  renew(_: string, name = ''): void {
    this.renewed.push(this.nodeOf(name))
  }

  readonly publish = async (pairs: readonly string[]): Promise<void> => {
    for (let i = 0; i + 1 < pairs.length; i += 2) {
      const [name = '', message = ''] = pairs.slice(i, i + 2)
      if (!this.deaf.has(this.nodeOf(name))) this.handlers.get(name)?.(Buffer.from(message))
    }
  }
}

const names = ['a1', 'b1', 'c2', 'd3', 'e3']

async function looping() {
  const pubsub = new Scripted()
  const loop = new ShardedLoop(pubsub as unknown as ShardedPubSub, names, pubsub.publish)
  const heard: string[] = []
  const subscribe = () => loop.subscribe('', payload => heard.push(`${payload}`))
  await subscribe()
  return { pubsub, loop, heard, subscribe }
}

describe('a loop over several connections', () => {
  it('goes over one channel of each, and is closed when a message has come over all', async () => {
    const { pubsub, loop, heard } = await looping()
    expect([...pubsub.handlers.keys()]).toEqual(['a1', 'c2', 'd3'])
    await loop.publish('', '1')
    await loop.publish('', '2')
    expect(heard).toEqual(['1', '2'])
  })

  it('has only those made anew over which nothing came, and not because of what is still under way', async () => {
    const { pubsub, loop, heard } = await looping()
    pubsub.deaf.add('2')
    await loop.publish('', '1')
    pubsub.deaf.add('3')
    await loop.publish('', '2')
    loop.renew('deaf')
    expect(pubsub.renewed).toEqual(['2'])
    expect(heard).toEqual([])
    pubsub.deaf.clear()
    await loop.publish('', '3')
    expect(heard).toEqual(['3'])
  })

  it('follows slots: a node that serves none of the names any more is not waited for', async () => {
    const { pubsub, loop, heard, subscribe } = await looping()
    pubsub.moved.set('2', '1')
    pubsub.deaf.add('2')
    await subscribe()
    expect([...pubsub.handlers.keys()]).toEqual(['a1', 'd3'])
    await loop.publish('', '1')
    expect(heard).toEqual(['1'])
  })
})
