import type postgres from 'postgres'
import { afterEach, describe, expect, it } from 'vitest'
import { append, type DurableNodes, durableNodes, listen } from '../../test/support/durable-nodes.ts'
import { until } from '../../test/support/until.ts'

let nodes: DurableNodes

afterEach(() => nodes.close())

const channel = 'order:1'

/** As a failover does that loses commits. */
async function loseEvents(sql: postgres.TransactionSql, after: number): Promise<void> {
  await sql`select set_config('holdfast.acting', 'remove_events', true)`
  await sql`delete from holdfast.events where position > ${after}`
}

describe('a ledger that has lost events', () => {
  it('is told to those who had them, also where no mirror remembers', async () => {
    nodes = await durableNodes()
    const node = await nodes.node({ redisUrl: undefined })
    const reader = await listen(node, channel, 0)
    const quiet = await listen(node, 'order:2', 0)
    await append(nodes.a, channel, 20)
    await until('they are delivered', () => reader.offsets().length === 20)
    await nodes.database.sql.begin(sql => loseEvents(sql, 5))
    await until('the reader is ended', () => reader.outlet.ended.length > 0)
    expect(reader.outlet.ended).toEqual([{ channel, code: 2500 }])
    const back = await listen(node, channel, { offset: 20, epoch: nodes.epoch })
    expect([back.recovered, back.position.offset]).toEqual([false, 5])
    expect(quiet.outlet.ended).toEqual([])
  })
})

describe('another epoch', () => {
  it('begins with positions below those of the one before: what is committed in it is mirrored at once', async () => {
    nodes = await durableNodes()
    await append(nodes.a, channel, 50)
    const epoch = await nodes.database.sql.begin(async sql => {
      await loseEvents(sql, 4)
      const [row] = await sql<{ epoch: string }[]>`select holdfast.new_epoch() as epoch`
      return row?.epoch ?? ''
    })
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
