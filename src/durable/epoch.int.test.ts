import { afterEach, describe, expect, it } from 'vitest'
import { append, type DurableNodes, durableNodes } from '../../test/support/durable-nodes.ts'
import { until } from '../../test/support/until.ts'

let nodes: DurableNodes

afterEach(() => nodes.close())

const channel = 'order:1'

describe('another epoch', () => {
  it('begins with positions below those of the one before: what is committed in it is mirrored at once', async () => {
    nodes = await durableNodes()
    await append(nodes.a, channel, 3)
    // A failover has lost commits, and this node knows from the mirror that there was more.
    const meta = await until('it is mirrored', async () => (await nodes.redis.keys('*:meta'))[0])
    await nodes.redis.hset(meta, 'last', 1_000)
    await append(nodes.a, channel, 1)
    const [{ epoch } = { epoch: '' }] = await nodes.database.sql<{ epoch: string }[]>`
      select holdfast.new_epoch() as epoch`
    await nodes.b.close()
    await until('the node goes on', () => {
      const status = nodes.a.status()
      return status.ledger === 'ready' && status.epoch === epoch
    })
    const last = () => nodes.redis.hget(`{${epoch}.${nodes.bare.partitionOf(channel)}}:meta`, 'last')
    await append(nodes.a, channel, 1)
    await until('the new mirror is seeded', async () => (await last()) === '5')
    await append(nodes.a, channel, 2)
    // Closing waits for its own mirror calls, not for a sweeper, which has to see a mirror stand still first.
    await nodes.a.close()
    expect(await last()).toBe('7')
  })
})
