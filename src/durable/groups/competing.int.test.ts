import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CompetingStage, channels, group, logSize } from '../../../test/support/competing-stage.ts'
import { append, type DurableNodes } from '../../../test/support/durable-nodes.ts'
import { until } from '../../../test/support/until.ts'
import type { Handler } from './types.ts'

let stage: CompetingStage
let nodes: DurableNodes

beforeEach(async () => {
  stage = await CompetingStage.open()
  nodes = stage.nodes
})
afterEach(() => stage.close())

describe('a competing group', () => {
  it('gives every event its effect once, whichever of its workers takes it', async () => {
    const slow: Handler = () => delay(5)
    await stage.appendAll(10)
    await stage.worker('one', { after: slow })
    await stage.worker('two', { tier: nodes.b, after: slow })
    await stage.appendAll(20)
    await stage.allOnce(30)
    const workers = new Set((await stage.effects()).map(effect => effect.worker))
    expect(workers).toEqual(new Set(['one', 'two']))
  })

  it('begins above what was there, where it is asked to', async () => {
    await stage.appendAll(3)
    await stage.worker('one', { start: 'now' })
    await append(nodes.b, 'order:0', 1)
    await until('the new one has its effect', async () => (await stage.effects()).length > 0)
    expect(await stage.effects()).toMatchObject([{ channel: 'order:0', offset: 4 }])
  })

  it('passes over what no handler matches', async () => {
    await stage.worker('one', { pattern: 'order:1' })
    await stage.appendAll(30)
    await stage.allOnce(30, ['order:1'])
  })

  it('leaves everything where it is while it is paused', async () => {
    await stage.worker('one')
    await stage.appendAll(2)
    await stage.allOnce(2)
    await stage.pause()
    await stage.appendAll(2)
    // Longer than it takes to look for what no news has told of.
    await delay(1_100)
    expect(await stage.effects()).toHaveLength(channels.length * 2)
    await stage.resume()
    await stage.allOnce(4)
  })
})

describe('when Redis forgets', () => {
  it('begins a group that is not there at the floor', async () => {
    await stage.worker('one')
    await stage.appendAll(5)
    await stage.allOnce(5)
    for (const channel of channels) await nodes.redis.xgroup('DESTROY', stage.keysOf(channel).log, group)
    await stage.appendAll(5)
    await stage.allOnce(10)
    // What lies in the log below the floor was not handed out again.
    expect(stage.suppressed()).toBe(0)
  })

  it('hands out to others again although the keeper has its hands full', async () => {
    const gate = Promise.withResolvers<void>()
    let full = false
    await stage.worker('one', {
      concurrency: 1,
      batchSize: 1,
      handlerTimeoutMs: 600_000,
      after: () => {
        full = true
        return gate.promise
      },
    })
    await append(nodes.b, 'order:0', 1)
    await until('the keeper has its hands full', () => full)
    await nodes.redis.flushall()
    await append(nodes.b, 'order:1', 1)
    await until('the group is there again', async () => {
      const groups = await nodes.redis.xinfo('GROUPS', stage.keysOf('order:1').log).catch(() => [])
      return (groups as unknown[]).length > 0
    })
    gate.resolve()
    await until('both are done', async () => (await stage.effects()).length === 2)
  })

  it('handles everything once although all is wiped, again and again', async () => {
    await stage.worker('one', { after: () => delay(2) })
    await stage.worker('two', { tier: nodes.b, after: () => delay(2) })
    for (let round = 0; round < 5; round++) {
      await stage.appendAll(10, round % 2 ? nodes.a : nodes.b)
      await nodes.redis.flushall()
    }
    await stage.allOnce(50)
  })

  it('handles everything once although Redis comes back from an older snapshot, with old places and old pending entries', async () => {
    const gate = Promise.withResolvers<void>()
    let holding = true
    await stage.worker('one', {
      after: () => (holding ? gate.promise : undefined),
      handlerTimeoutMs: 600_000,
    })
    await stage.worker('two', { tier: nodes.b })
    await stage.appendAll(10)
    await until('some are in hand', async () => (await stage.effects()).length > 0)
    // What is in hand at this moment is pending in the snapshot, and settled when it is restored.
    await nodes.redis.save()
    holding = false
    gate.resolve()
    await stage.appendAll(8)
    await stage.allOnce(18)
    await nodes.killRedis()
    await nodes.startRedis()
    await until('it is ready', () => nodes.redis.status === 'ready')
    const groups = await Promise.all(
      channels.map(channel => nodes.redis.xinfo('GROUPS', stage.keysOf(channel).log).catch(() => [])),
    )
    expect(groups.flat()).not.toEqual([])
    await stage.appendAll(10)
    await stage.allOnce(28)
  })

  it('does not handle again what it hands out again', async () => {
    await stage.worker('one')
    await stage.appendAll(10)
    await stage.allOnce(10)
    for (const channel of channels) await nodes.redis.xgroup('SETID', stage.keysOf(channel).log, group, '0')
    await until('all of them came again', () => stage.suppressed() >= channels.length * 10)
    await stage.allOnce(10)
    for (const channel of channels) {
      await until('they are acknowledged', async () => {
        const [pending] = await nodes.redis.xpending(stage.keysOf(channel).log, group)
        return pending === 0
      })
    }
  })
})

describe('what Redis does not hand out', () => {
  it('is read from the ledger: trimmed before anybody has read it', async () => {
    await stage.appendAll(logSize * 4)
    await stage.worker('one')
    await stage.allOnce(logSize * 4)
  })

  it('is read from the ledger: trimmed while it was skipped without a word', async () => {
    await stage.worker('one')
    await stage.appendAll(2)
    await stage.allOnce(2)
    await stage.pause()
    await stage.appendAll(logSize * 3)
    await stage.resume()
    await stage.allOnce(2 + logSize * 3)
  })

  it('is read from the ledger: everything, where there is no Redis', async () => {
    const tier = await nodes.node({ redisUrl: undefined })
    await stage.worker('one', { tier })
    await stage.appendAll(10)
    await stage.allOnce(10)
    await stage.appendAll(10, tier)
    await stage.allOnce(20)
  })

  it('is read from the ledger: everything, while Redis is away, and from Redis when it is back', async () => {
    await stage.worker('one')
    await stage.worker('two', { tier: nodes.b })
    await stage.appendAll(5)
    await stage.allOnce(5)
    await nodes.killRedis()
    await stage.appendAll(30)
    await stage.allOnce(35)
    await nodes.startRedis()
    await until('the mirror is back', () => nodes.b.status().mirror === 'ready')
    await stage.appendAll(5)
    await stage.allOnce(40)
    await until('the group is there again', async () => {
      const known = await Promise.all(
        channels.map(channel => nodes.redis.xinfo('GROUPS', stage.keysOf(channel).log).catch(() => [])),
      )
      return known.every(groups => (groups as unknown[]).length === 1)
    })
  })

  it('is settled where retention has left a hole above the floor', async () => {
    const { sql } = nodes.database
    const near = await neighbour('order:0')
    await stage.worker('one')
    await append(nodes.b, 'order:0', 2)
    await stage.allOnce(2, ['order:0'])
    await stage.pause()
    await append(nodes.b, near, 5)
    await append(nodes.b, 'order:0', 1)
    await append(nodes.b, near, 3)
    const partition = nodes.bare.partitionOf(near)
    const [removed] = await sql<{ count: number }[]>`
      select holdfast.remove_events(${nodes.epoch}, ${partition}, ${near}, 8) as count`
    expect(removed?.count).toBe(8)
    await nodes.redis.flushall()
    await stage.resume()
    await stage.allOnce(3, ['order:0'])
  })
})

/** A channel of another namespace in the same partition. */
async function neighbour(channel: string): Promise<string> {
  const partition = nodes.bare.partitionOf(channel)
  for (let n = 0; ; n++) if (nodes.bare.partitionOf(`chat:${n}`) === partition) return `chat:${n}`
}

describe('a new epoch', () => {
  it('goes on where it was, and handles nothing twice', async () => {
    await stage.worker('one')
    await stage.worker('two', { tier: nodes.b })
    await stage.appendAll(5)
    await stage.allOnce(5)
    await nodes.database.sql`select holdfast.new_epoch()`
    await until('the nodes know it', async () => {
      await nodes.a.append({ channel: 'chat:1', type: 'Numbered', data: '{}' }).catch(() => undefined)
      return nodes.a.status().epoch !== nodes.epoch && nodes.b.status().epoch !== nodes.epoch
    })
    await stage.appendAll(5)
    await stage.allOnce(10)
  })
})
