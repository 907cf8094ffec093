import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CompetingStage, channels, group } from '../../../test/support/competing-stage.ts'
import { append, type DurableNodes } from '../../../test/support/durable-nodes.ts'
import { tcpProxy } from '../../../test/support/tcp-proxy.ts'
import { until } from '../../../test/support/until.ts'
import { deliveryOperations } from '../operations/delivery-operations.ts'
import { park, retry } from './outcome.ts'
import type { Handler } from './types.ts'

let stage: CompetingStage
let nodes: DurableNodes

beforeEach(async () => {
  stage = await CompetingStage.open()
  nodes = stage.nodes
})
afterEach(() => stage.close())

describe('what was handed out and not settled', () => {
  /** Takes entries as a process does that dies right after. */
  async function ghost(name: string, channel: string, count: number): Promise<void> {
    await until('the group is there', async () => {
      const groups = await nodes.redis.xinfo('GROUPS', stage.keysOf(channel).log).catch(() => [])
      return (groups as unknown[]).length > 0
    })
    await nodes.redis.xreadgroup(
      'GROUP',
      group,
      name,
      'COUNT',
      count,
      'STREAMS',
      stage.keysOf(channel).log,
      '>',
    )
  }

  it('is taken over from a worker that is gone, and the worker is forgotten', async () => {
    // No patience at all is needed: it is no member.
    await stage.worker('one', { handlerTimeoutMs: 600_000 })
    await stage.appendAll(1)
    await stage.allOnce(1)
    await stage.pause()
    await append(nodes.b, 'order:0', 5)
    await ghost('ghost', 'order:0', 4)
    await stage.resume()
    await append(nodes.b, 'order:1', 5)
    await until('all are done', async () => (await stage.effects()).length === channels.length + 10, 20_000)
    await stage.allSettled()
    const consumers = (await nodes.redis.xinfo(
      'CONSUMERS',
      stage.keysOf('order:0').log,
      group,
    )) as unknown[][]
    expect(consumers.map(fields => fields[1])).not.toContain('ghost')
  })

  it('is taken over from a worker that is there and does not settle it', async () => {
    const { sql } = nodes.database
    await stage.worker('one', { handlerTimeoutMs: 500 })
    await stage.appendAll(1)
    await stage.allOnce(1)
    await stage.pause()
    await sql`
      insert into holdfast.group_members ("group", member, node, seen)
      values (${group}, 'stuck', 'stuck', now() + interval '1 hour')`
    await append(nodes.b, 'order:0', 5)
    await ghost('stuck', 'order:0', 4)
    await stage.resume()
    await until('all are done', async () => (await stage.effects()).length === channels.length + 5, 20_000)
    const [pending] = await nodes.redis.xpending(stage.keysOf('order:0').log, group)
    await until('nothing is pending', async () => pending === 0 || (await pendingOf('order:0')) === 0)
  })

  const pendingOf = async (channel: string) => {
    const [pending] = await nodes.redis.xpending(stage.keysOf(channel).log, group)
    return pending
  }

  it('is left to a worker that hangs while it has taken it, is nobody’s hindrance, and is done when that one is gone', async () => {
    const { sql } = nodes.database
    const partition = nodes.bare.partitionOf('order:0')
    await append(nodes.b, 'order:0', 12)
    const hangs = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    await sql`select holdfast.declare_group(${group}, 'competing', null, 'beginning')`
    const hanging = sql.begin(async tx => {
      await tx`
        select holdfast.take_positions(${group}, ${nodes.epoch}, ${partition}, '{3,4}'::bigint[], 1000)`
      begun.resolve()
      await hangs.promise
      throw new Error('killed')
    })
    hanging.catch(() => undefined)
    await begun.promise
    await stage.worker('one')
    await until('the others are done', async () => (await stage.effects()).length === 10)
    hangs.resolve()
    await expect(hanging).rejects.toThrow('killed')
    await stage.allOnce(12, ['order:0'])
  })

  it('is found in one’s own pending list after an answer was lost', async () => {
    const proxy = await tcpProxy(nodes.redisUrl)
    stage.proxies.push(proxy)
    const tier = await nodes.node({ redisUrl: proxy.through(nodes.redisUrl) })
    await stage.worker('one', { tier, handlerTimeoutMs: 600_000 })
    await stage.appendAll(1)
    await stage.allOnce(1)
    for (let round = 1; round <= 3; round++) {
      proxy.loseAnswers()
      const lost = proxy.lost()
      await stage.appendAll(5)
      await until('an answer was lost', () => proxy.lost() > lost)
      proxy.answerAgain()
      await stage.allOnce(1 + 5 * round)
    }
    for (const channel of channels)
      await until('nothing is pending', async () => (await pendingOf(channel)) === 0, 20_000)
  })

  it('is found there too after a connection on which nothing arrived any more, and that nobody has closed', async () => {
    const proxy = await tcpProxy(nodes.redisUrl)
    stage.proxies.push(proxy)
    const tier = await nodes.node({ redisUrl: proxy.through(nodes.redisUrl) })
    await stage.worker('one', { tier, handlerTimeoutMs: 600_000 })
    await stage.appendAll(1)
    await stage.allOnce(1)
    for (let round = 1; round <= 2; round++) {
      // Redis still hears the question, and hands out; the answer vanishes.
      proxy.swallow({ way: 'toClient', connections: 'present' })
      await stage.appendAll(5)
      await stage.allOnce(1 + 5 * round)
      await proxy.heal()
    }
    for (const channel of channels)
      await until('nothing is pending', async () => (await pendingOf(channel)) === 0, 20_000)
  })

  it('is done by the others when its worker is closed in the middle, and its consumer is forgotten', async () => {
    const gate = Promise.withResolvers<void>()
    let begun = 0
    const after: Handler = () => {
      begun++
      return gate.promise
    }
    const first = await stage.worker('one', { after, handlerTimeoutMs: 600_000, batchSize: 2 })
    await stage.appendAll(10)
    await until('it is at work', () => begun > 0)
    await stage.worker('two', { tier: nodes.b, handlerTimeoutMs: 600_000 })
    await first.close(100)
    gate.resolve()
    await stage.allOnce(10)
    expect(new Set((await stage.effects()).map(effect => effect.worker))).toEqual(new Set(['two']))
  })

  it('has its floor raised by the next keeper', async () => {
    const first = await stage.worker('one')
    await stage.appendAll(5)
    await stage.allOnce(5)
    await first.close(1_000)
    await stage.appendAll(5)
    await stage.worker('two', { tier: nodes.b })
    await stage.allOnce(10)
    expect((await nodes.database.sql`select distinct holder from holdfast.group_partitions`).length).toBe(1)
  })

  it('leaves no consumer behind where it is closed in peace', async () => {
    const first = await stage.worker('one')
    await stage.appendAll(3)
    await stage.allOnce(3)
    await first.close(1_000)
    for (const channel of channels)
      expect(await nodes.redis.xinfo('CONSUMERS', stage.keysOf(channel).log, group)).toEqual([])
  })
})

describe('what does not go smoothly', () => {
  it('is taken back, tried again when it is due, and spoils nothing beside it', async () => {
    await stage.worker('one', {
      after: ({ offset }, { attempt }) => {
        if (offset === 3 && attempt < 3) return retry(10, 'not yet')
        if (offset === 5 && attempt === 1) throw new Error('broken')
      },
    })
    await stage.appendAll(8)
    await stage.allOnce(8)
    const again = (await stage.effects()).filter(effect => effect.attempt > 1)
    expect(again.map(({ offset, attempt }) => [offset, attempt])).toEqual(
      channels.flatMap(() => [
        [3, 3],
        [5, 2],
      ]),
    )
    expect(await stage.deliveries()).toEqual([])
  })

  it('is set aside until somebody decides, and is then done', async () => {
    let fixed = false
    const after: Handler = ({ offset }) => (offset === 2 && !fixed ? park('out of paper') : undefined)
    await stage.worker('one', { after })
    await append(nodes.b, 'order:0', 3)
    await until('it is parked', async () => (await stage.deliveries()).length === 1)
    await stage.allSettled()
    expect(await stage.deliveries()).toEqual([
      { state: 'parked', attempts: 1, reason: 'out of paper', offset: 2 },
    ])
    expect((await stage.effects()).map(effect => effect.offset)).toEqual([1, 3])
    fixed = true
    await deliveryOperations(nodes.database.sql).redrive({ filter: {} }, { actor: 'the test' })
    await stage.allOnce(3, ['order:0'])
    expect(await stage.deliveries()).toEqual([])
  })

  it('is not done with a statement that failed and that nobody waited for', async () => {
    const told: number[] = []
    await stage.worker('one', {
      maxAttempts: 2,
      after: ({ offset }, { tx, attempt, afterCommit }) => {
        afterCommit(() => void told.push(offset))
        if (offset === 2 || (offset === 3 && attempt === 1)) tx`select 1 / 0`.execute()
      },
    })
    await append(nodes.b, 'order:0', 3)
    await until('it is parked', async () => (await stage.deliveries())[0]?.state === 'parked')
    await until('the others are done', () => told.length === 2)
    expect(await stage.deliveries()).toMatchObject([
      { offset: 2, attempts: 2, reason: expect.stringContaining('division by zero') },
    ])
    expect((await stage.effects()).map(({ offset, attempt }) => [offset, attempt])).toEqual([
      [1, 1],
      [3, 2],
    ])
    expect(told.sort()).toEqual([1, 3])
  })

  it('is parked after the last attempt', async () => {
    await stage.worker('one', {
      maxAttempts: 3,
      after: ({ offset }) => {
        if (offset === 1) throw new Error('always')
      },
    })
    await append(nodes.b, 'order:0', 2)
    await until('it is parked', async () => (await stage.deliveries())[0]?.state === 'parked')
    expect((await stage.deliveries())[0]).toMatchObject({ attempts: 3, offset: 1 })
    expect((await stage.effects()).map(effect => effect.offset)).toEqual([2])
  })

  it('is not lost with the process that should have tried it again', async () => {
    const first = await stage.worker('one', { after: () => retry(400, 'later') })
    await append(nodes.b, 'order:0', 3)
    await until('all are owed', async () => (await stage.deliveries()).length === 3)
    await first.close(1_000)
    await stage.worker('two', { tier: nodes.b })
    await stage.allOnce(3, ['order:0'])
    await until('nothing is owed', async () => (await stage.deliveries()).length === 0)
    expect((await stage.effects()).every(effect => effect.attempt > 1)).toBe(true)
  })

  it('keeps what waits for a handler of another process', async () => {
    const first = await stage.worker('one', { after: () => retry(0, 'not by me') })
    await append(nodes.b, 'order:0', 1)
    await until('it is owed', async () => (await stage.deliveries()).length === 1)
    await first.close(1_000)
    const second = await stage.worker('two', { tier: nodes.b, pattern: 'order:1' })
    await until('it has looked at it', async () => {
      const [row] = await nodes.database.sql`
        select from holdfast.deliveries where due > extract(epoch from clock_timestamp()) * 1000 + 10000`
      return row
    })
    await second.close(1_000)
    expect(await stage.deliveries()).toMatchObject([{ state: 'retrying', offset: 1 }])
    await nodes.database.sql`update holdfast.deliveries set due = 0`
    await stage.worker('three')
    await stage.allOnce(1, ['order:0'])
  })

  it('is handled once more when Postgres has cut the transaction', async () => {
    const { sql } = nodes.database
    let cut = 0
    await stage.worker('one', {
      after: async ({ offset }) => {
        if (offset !== 4 || cut++ > 0) return
        await sql`
          select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and application_name = 'holdfast-groups'`
      },
    })
    await stage.appendAll(6)
    await stage.allOnce(6)
    expect(cut).toBeGreaterThan(1)
  })
})
