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
  it('is found by those who had them, also where no mirror remembers, and told when an operator has decided', async () => {
    nodes = await durableNodes()
    const node = await nodes.node({ redisUrl: undefined })
    const reader = await listen(node, channel, 0)
    await append(nodes.a, channel, 20)
    await until('they are delivered', () => reader.offsets().length === 20)
    await nodes.database.sql.begin(sql => loseEvents(sql, 5))
    await until('the node knows', () => node.status().ledger === 'behind_mirror')
    expect(node.status().advice).toContain('holdfast ledger new-epoch')
    await expect(append(node, channel, 1)).rejects.toMatchObject({ code: 'LEDGER_BEHIND' })
    // Until then nothing is lost for good: the right server may come back.
    const place = { offset: 20, epoch: nodes.epoch }
    await until('another node knows', () => nodes.a.status().ledger === 'behind_mirror')
    await expect(listen(nodes.a, channel, place)).rejects.toMatchObject({ remedy: 'retry_later' })
    const page = node.history({ channel, since: place, limit: 5, reverse: false })
    await expect(page).rejects.toMatchObject({ remedy: 'retry_later' })
    expect(reader.outlet.ended).toEqual([])
    const late = await listen(nodes.a, channel, 2)
    expect([late.recovered, late.offsets()]).toEqual([true, [3, 4, 5]])
    await nodes.database.sql`select holdfast.new_epoch()`
    await until('the reader is ended', () => reader.outlet.ended.length > 0)
    expect(reader.outlet.ended).toEqual([{ channel, code: 2500 }])
    const back = await listen(node, channel, place)
    expect([back.recovered, back.position.offset]).toEqual([false, 5])
  })

  it('hands out nothing of what the mirror still has of them', async () => {
    nodes = await durableNodes()
    await append(nodes.a, channel, 20)
    const key = `{${nodes.epoch}.${nodes.bare.partitionOf(channel)}}:meta`
    await until('they are mirrored', async () => (await nodes.redis.hget(key, 'last')) === '20')
    await nodes.database.sql.begin(sql => loseEvents(sql, 5))
    await until('a node knows', () => nodes.b.status().ledger === 'behind_mirror')
    const late = await listen(nodes.b, channel, 0)
    expect(late.offsets()).toEqual([1, 2, 3, 4, 5])
    const { offset, publications } = await nodes.b.history({ channel, limit: 100, reverse: false })
    expect([offset, publications.length]).toEqual([5, 5])
  })

  it('is told by the node that has noticed to all others and to those that start, although Redis was wiped', async () => {
    nodes = await durableNodes()
    await append(nodes.a, channel, 20)
    await nodes.database.sql.begin(sql => loseEvents(sql, 5))
    // As a node that has committed what nobody else has heard of.
    await nodes.redis.flushall()
    await until('all know', () => [nodes.a, nodes.b].every(node => node.status().ledger === 'behind_mirror'))
    await until('it is written down', async () => (await nodes.redis.exists(`{${nodes.epoch}}:lost`)) === 1)
    const fresh = await nodes.node()
    expect(fresh.status().ledger).toBe('behind_mirror')
    await expect(append(fresh, channel, 1)).rejects.toMatchObject({ code: 'LEDGER_BEHIND' })
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
