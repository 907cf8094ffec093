import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { append, type DurableNodes, durableNodes } from '../../../test/support/durable-nodes.ts'
import { type TcpProxy, tcpProxy } from '../../../test/support/tcp-proxy.ts'
import { until } from '../../../test/support/until.ts'
import { createLogger } from '../../platform/index.ts'
import type { OpenTier } from '../log-access.ts'
import { partitionKeys } from '../mirror/keys.ts'
import { deliveryOperations } from '../operations/delivery-operations.ts'
import { createGroups, type SystemGroups } from './groups.ts'
import { park, retry } from './outcome.ts'
import type { GroupOptions, Handler } from './types.ts'

const group = 'receipts'
const leaseMs = 1_500
const logSize = 20

let nodes: DurableNodes
let open: SystemGroups[]
let proxies: TcpProxy[]

beforeEach(async () => {
  nodes = await durableNodes({ logSize })
  open = []
  proxies = []
  await nodes.database.sql`create table effects (worker text, channel text, "offset" int, attempt int)`
})
afterEach(async () => {
  await Promise.all(open.map(each => each.close(2_000)))
  await nodes.close()
  await Promise.all(proxies.map(proxy => proxy.close()))
})

interface WorkerOptions extends GroupOptions {
  readonly tier?: OpenTier
  /** Once the effect is written. */
  readonly after?: Handler
  readonly pattern?: string
}

/** A worker as a process would have it; its effects are rows in a table that takes duplicates. */
async function worker(name: string, options: WorkerOptions = {}): Promise<SystemGroups> {
  const { tier = nodes.a, after, pattern = 'order:{id}', ...given } = options
  const groups = createGroups({
    log: tier.log,
    url: nodes.database.url,
    leaseMs,
    poolSize: 4,
    nodeName: name,
    logger: createLogger(process.env['HOLDFAST_TEST_LOG'] ?? 'silent'),
  })
  open.push(groups)
  groups
    .group(group, {
      mode: 'competing',
      batchSize: 5,
      handlerTimeoutMs: 2_000,
      retryMs: { first: 20, most: 100 },
      ...given,
    })
    .on(pattern, '*', async (event, context) => {
      await context.tx`
        insert into effects values (${name}, ${event.channel}, ${event.offset}, ${context.attempt})`
      return after?.(event, context)
    })
  await groups.work()
  return groups
}

const channels = Array.from({ length: 6 }, (_, n) => `order:${n}`)
const suppressed = () => open.reduce((sum, each) => sum + (each.status()[0]?.suppressed ?? 0), 0)
const keysOf = (channel: string) => partitionKeys(nodes.epoch, nodes.bare.partitionOf(channel))

async function appendAll(each: number, tier: OpenTier = nodes.b): Promise<void> {
  await Promise.all(channels.map(channel => append(tier, channel, each, { atOnce: true })))
}

async function effects(): Promise<{ worker: string; channel: string; offset: number; attempt: number }[]> {
  return nodes.database.sql`select * from effects order by channel, "offset"`
}

/** Waits until everything in the ledger is settled, and sees that every event had its effect exactly once. */
async function allOnce(each: number, of: readonly string[] = channels): Promise<void> {
  const wanted = of.flatMap(channel => Array.from({ length: each }, (_, i) => `${channel} ${i + 1}`)).sort()
  const had = async () => (await effects()).map(({ channel, offset }) => `${channel} ${offset}`).sort()
  await until('every event has its effect', async () => (await had()).length >= wanted.length, 25_000)
  await allSettled()
  expect(await had()).toEqual(wanted)
}

async function allSettled(): Promise<void> {
  await until(
    'the floors have reached the heads',
    async () => {
      const [row] = await nodes.database.sql<{ behind: number }[]>`
        select count(*) as behind from holdfast.group_partitions
        where "group" = ${group} and position < holdfast.partition_head(partition)`
      return row?.behind === 0
    },
    25_000,
  )
  expect([...(await nodes.database.sql`select * from holdfast.group_settled`)]).toEqual([])
}

async function deliveries(): Promise<{ state: string; attempts: number; reason: string; offset: number }[]> {
  return nodes.database.sql`
    select state, attempts, reason, "offset" from holdfast.deliveries where consumer = ${`group/${group}`}
    order by "offset"`
}

describe('a competing group', () => {
  it('gives every event its effect once, whichever of its workers takes it', async () => {
    const slow: Handler = () => delay(5)
    await appendAll(10)
    await worker('one', { after: slow })
    await worker('two', { tier: nodes.b, after: slow })
    await appendAll(20)
    await allOnce(30)
    const workers = new Set((await effects()).map(effect => effect.worker))
    expect(workers).toEqual(new Set(['one', 'two']))
  })

  it('begins above what was there, where it is asked to', async () => {
    await appendAll(3)
    await worker('one', { start: 'now' })
    await append(nodes.b, 'order:0', 1)
    await until('the new one has its effect', async () => (await effects()).length > 0)
    expect(await effects()).toMatchObject([{ channel: 'order:0', offset: 4 }])
  })

  it('passes over what no handler matches', async () => {
    await worker('one', { pattern: 'order:1' })
    await appendAll(30)
    await allOnce(30, ['order:1'])
  })

  it('leaves everything where it is while it is paused', async () => {
    const { sql } = nodes.database
    await worker('one')
    await appendAll(2)
    await allOnce(2)
    await sql`update holdfast.groups set paused = true where name = ${group}`
    await until('it has heard of it', () => open[0]?.status()[0]?.paused)
    await appendAll(2)
    // Longer than it takes to look for what no news has told of.
    await delay(1_100)
    expect(await effects()).toHaveLength(channels.length * 2)
    await sql`update holdfast.groups set paused = false where name = ${group}`
    await allOnce(4)
  })
})

describe('when Redis forgets', () => {
  it('begins a group that is not there at the floor', async () => {
    await worker('one')
    await appendAll(5)
    await allOnce(5)
    for (const channel of channels) await nodes.redis.xgroup('DESTROY', keysOf(channel).log, group)
    await appendAll(5)
    await allOnce(10)
    // What lies in the log below the floor was not handed out again.
    expect(suppressed()).toBe(0)
  })

  it('handles everything once although all is wiped, again and again', async () => {
    await worker('one', { after: () => delay(2) })
    await worker('two', { tier: nodes.b, after: () => delay(2) })
    for (let round = 0; round < 5; round++) {
      await appendAll(10, round % 2 ? nodes.a : nodes.b)
      await nodes.redis.flushall()
    }
    await allOnce(50)
  })

  it('does not handle again what it hands out again', async () => {
    await worker('one')
    await appendAll(10)
    await allOnce(10)
    for (const channel of channels) await nodes.redis.xgroup('SETID', keysOf(channel).log, group, '0')
    await until('all of them came again', () => suppressed() >= channels.length * 10)
    await allOnce(10)
    for (const channel of channels) {
      await until('they are acknowledged', async () => {
        const [pending] = await nodes.redis.xpending(keysOf(channel).log, group)
        return pending === 0
      })
    }
  })
})

describe('what Redis does not hand out', () => {
  it('is read from the ledger: trimmed before anybody has read it', async () => {
    await appendAll(logSize * 4)
    await worker('one')
    await allOnce(logSize * 4)
  })

  it('is read from the ledger: trimmed while it was skipped without a word', async () => {
    await worker('one')
    await appendAll(2)
    await allOnce(2)
    const { sql } = nodes.database
    await sql`update holdfast.groups set paused = true where name = ${group}`
    await until('it has heard of it', () => open[0]?.status()[0]?.paused)
    await appendAll(logSize * 3)
    await sql`update holdfast.groups set paused = false where name = ${group}`
    await allOnce(2 + logSize * 3)
  })

  it('is read from the ledger: everything, where there is no Redis', async () => {
    const tier = await nodes.node({ redisUrl: undefined })
    await worker('one', { tier })
    await appendAll(10)
    await allOnce(10)
    await appendAll(10, tier)
    await allOnce(20)
  })

  it('is read from the ledger: everything, while Redis is away, and from Redis when it is back', async () => {
    await worker('one')
    await worker('two', { tier: nodes.b })
    await appendAll(5)
    await allOnce(5)
    await nodes.killRedis()
    await appendAll(30)
    await allOnce(35)
    await nodes.startRedis()
    await until('the mirror is back', () => nodes.b.status().mirror === 'ready')
    await appendAll(5)
    await allOnce(40)
    await until('the group is there again', async () => {
      const known = await Promise.all(
        channels.map(channel => nodes.redis.xinfo('GROUPS', keysOf(channel).log).catch(() => [])),
      )
      return known.every(groups => (groups as unknown[]).length === 1)
    })
  })

  it('is settled where retention has left a hole above the floor', async () => {
    const { sql } = nodes.database
    const near = await neighbour('order:0')
    await worker('one')
    await append(nodes.b, 'order:0', 2)
    await allOnce(2, ['order:0'])
    await sql`update holdfast.groups set paused = true where name = ${group}`
    await until('it has heard of it', () => open[0]?.status()[0]?.paused)
    await append(nodes.b, near, 5)
    await append(nodes.b, 'order:0', 1)
    await append(nodes.b, near, 3)
    const partition = nodes.bare.partitionOf(near)
    const [removed] = await sql<{ count: number }[]>`
      select holdfast.remove_events(${nodes.epoch}, ${partition}, ${near}, 8) as count`
    expect(removed?.count).toBe(8)
    await nodes.redis.flushall()
    await sql`update holdfast.groups set paused = false where name = ${group}`
    await allOnce(3, ['order:0'])
  })
})

/** A channel of another namespace in the same partition. */
async function neighbour(channel: string): Promise<string> {
  const partition = nodes.bare.partitionOf(channel)
  for (let n = 0; ; n++) if (nodes.bare.partitionOf(`chat:${n}`) === partition) return `chat:${n}`
}

describe('what was handed out and not settled', () => {
  /** Takes entries as a process does that dies right after. */
  async function ghost(name: string, channel: string, count: number): Promise<void> {
    await until('the group is there', async () => {
      const groups = await nodes.redis.xinfo('GROUPS', keysOf(channel).log).catch(() => [])
      return (groups as unknown[]).length > 0
    })
    await nodes.redis.xreadgroup('GROUP', group, name, 'COUNT', count, 'STREAMS', keysOf(channel).log, '>')
  }

  async function hold(): Promise<void> {
    await nodes.database.sql`update holdfast.groups set paused = true where name = ${group}`
    await until('they have heard of it', () => open.every(each => each.status()[0]?.paused))
  }
  const goOn = () => nodes.database.sql`update holdfast.groups set paused = false where name = ${group}`

  it('is taken over from a worker that is gone, and the worker is forgotten', async () => {
    // No patience at all is needed: it is no member.
    await worker('one', { handlerTimeoutMs: 600_000 })
    await appendAll(1)
    await allOnce(1)
    await hold()
    await append(nodes.b, 'order:0', 5)
    await ghost('ghost', 'order:0', 4)
    await goOn()
    await append(nodes.b, 'order:1', 5)
    await until('all are done', async () => (await effects()).length === channels.length + 10, 20_000)
    await allSettled()
    const consumers = (await nodes.redis.xinfo('CONSUMERS', keysOf('order:0').log, group)) as unknown[][]
    expect(consumers.map(fields => fields[1])).not.toContain('ghost')
  })

  it('is taken over from a worker that is there and does not settle it', async () => {
    const { sql } = nodes.database
    await worker('one', { handlerTimeoutMs: 500 })
    await appendAll(1)
    await allOnce(1)
    await hold()
    await sql`
      insert into holdfast.group_members ("group", member, node, seen)
      values (${group}, 'stuck', 'stuck', now() + interval '1 hour')`
    await append(nodes.b, 'order:0', 5)
    await ghost('stuck', 'order:0', 4)
    await goOn()
    await until('all are done', async () => (await effects()).length === channels.length + 5, 20_000)
    const [pending] = await nodes.redis.xpending(keysOf('order:0').log, group)
    await until('nothing is pending', async () => pending === 0 || (await pendingOf('order:0')) === 0)
  })

  const pendingOf = async (channel: string) => {
    const [pending] = await nodes.redis.xpending(keysOf(channel).log, group)
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
    await worker('one')
    await until('the others are done', async () => (await effects()).length === 10)
    hangs.resolve()
    await expect(hanging).rejects.toThrow('killed')
    await allOnce(12, ['order:0'])
  })

  it('is found in one’s own pending list after an answer was lost', async () => {
    const proxy = await tcpProxy(nodes.redisUrl)
    proxies.push(proxy)
    const tier = await nodes.node({ redisUrl: proxy.through(nodes.redisUrl) })
    await worker('one', { tier, handlerTimeoutMs: 600_000 })
    await appendAll(1)
    await allOnce(1)
    for (let round = 1; round <= 3; round++) {
      proxy.loseAnswers()
      const lost = proxy.lost()
      await appendAll(5)
      await until('an answer was lost', () => proxy.lost() > lost)
      proxy.answerAgain()
      await allOnce(1 + 5 * round)
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
    const first = await worker('one', { after, handlerTimeoutMs: 600_000, batchSize: 2 })
    await appendAll(10)
    await until('it is at work', () => begun > 0)
    await worker('two', { tier: nodes.b, handlerTimeoutMs: 600_000 })
    await first.close(100)
    gate.resolve()
    await allOnce(10)
    expect(new Set((await effects()).map(effect => effect.worker))).toEqual(new Set(['two']))
  })

  it('has its floor raised by the next keeper', async () => {
    const first = await worker('one')
    await appendAll(5)
    await allOnce(5)
    await first.close(1_000)
    await appendAll(5)
    await worker('two', { tier: nodes.b })
    await allOnce(10)
    expect((await nodes.database.sql`select distinct holder from holdfast.group_partitions`).length).toBe(1)
  })

  it('leaves no consumer behind where it is closed in peace', async () => {
    const first = await worker('one')
    await appendAll(3)
    await allOnce(3)
    await first.close(1_000)
    for (const channel of channels)
      expect(await nodes.redis.xinfo('CONSUMERS', keysOf(channel).log, group)).toEqual([])
  })
})

describe('what does not go smoothly', () => {
  it('is taken back, tried again when it is due, and spoils nothing beside it', async () => {
    await worker('one', {
      after: ({ offset }, { attempt }) => {
        if (offset === 3 && attempt < 3) return retry(10, 'not yet')
        if (offset === 5 && attempt === 1) throw new Error('broken')
      },
    })
    await appendAll(8)
    await allOnce(8)
    const again = (await effects()).filter(effect => effect.attempt > 1)
    expect(again.map(({ offset, attempt }) => [offset, attempt])).toEqual(
      channels.flatMap(() => [
        [3, 3],
        [5, 2],
      ]),
    )
    expect(await deliveries()).toEqual([])
  })

  it('is set aside until somebody decides, and is then done', async () => {
    let fixed = false
    const after: Handler = ({ offset }) => (offset === 2 && !fixed ? park('out of paper') : undefined)
    await worker('one', { after })
    await append(nodes.b, 'order:0', 3)
    await until('it is parked', async () => (await deliveries()).length === 1)
    await allSettled()
    expect(await deliveries()).toEqual([{ state: 'parked', attempts: 1, reason: 'out of paper', offset: 2 }])
    expect((await effects()).map(effect => effect.offset)).toEqual([1, 3])
    fixed = true
    await deliveryOperations(nodes.database.sql).redrive({ filter: {} }, { actor: 'the test' })
    await allOnce(3, ['order:0'])
    expect(await deliveries()).toEqual([])
  })

  it('is parked after the last attempt', async () => {
    await worker('one', {
      maxAttempts: 3,
      after: ({ offset }) => {
        if (offset === 1) throw new Error('always')
      },
    })
    await append(nodes.b, 'order:0', 2)
    await until('it is parked', async () => (await deliveries())[0]?.state === 'parked')
    expect((await deliveries())[0]).toMatchObject({ attempts: 3, offset: 1 })
    expect((await effects()).map(effect => effect.offset)).toEqual([2])
  })

  it('is not lost with the process that should have tried it again', async () => {
    const first = await worker('one', { after: () => retry(400, 'later') })
    await append(nodes.b, 'order:0', 3)
    await until('all are owed', async () => (await deliveries()).length === 3)
    await first.close(1_000)
    await worker('two', { tier: nodes.b })
    await allOnce(3, ['order:0'])
    await until('nothing is owed', async () => (await deliveries()).length === 0)
    expect((await effects()).every(effect => effect.attempt > 1)).toBe(true)
  })

  it('keeps what waits for a handler of another process', async () => {
    const first = await worker('one', { after: () => retry(0, 'not by me') })
    await append(nodes.b, 'order:0', 1)
    await until('it is owed', async () => (await deliveries()).length === 1)
    await first.close(1_000)
    const second = await worker('two', { tier: nodes.b, pattern: 'order:1' })
    await until('it has looked at it', async () => {
      const [row] = await nodes.database.sql`
        select from holdfast.deliveries where due > extract(epoch from clock_timestamp()) * 1000 + 10000`
      return row
    })
    await second.close(1_000)
    expect(await deliveries()).toMatchObject([{ state: 'retrying', offset: 1 }])
    await nodes.database.sql`update holdfast.deliveries set due = 0`
    await worker('three')
    await allOnce(1, ['order:0'])
  })

  it('is handled once more when Postgres has cut the transaction', async () => {
    const { sql } = nodes.database
    let cut = 0
    await worker('one', {
      after: async ({ offset }) => {
        if (offset !== 4 || cut++ > 0) return
        await sql`
          select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and application_name = 'holdfast-groups'`
      },
    })
    await appendAll(6)
    await allOnce(6)
    expect(cut).toBeGreaterThan(1)
  })
})

describe('a new epoch', () => {
  it('goes on where it was, and handles nothing twice', async () => {
    await worker('one')
    await worker('two', { tier: nodes.b })
    await appendAll(5)
    await allOnce(5)
    await nodes.database.sql`select holdfast.new_epoch()`
    await until('the nodes know it', async () => {
      await nodes.a.append({ channel: 'chat:1', type: 'Numbered', data: '{}' }).catch(() => undefined)
      return nodes.a.status().epoch !== nodes.epoch && nodes.b.status().epoch !== nodes.epoch
    })
    await appendAll(5)
    await allOnce(10)
  })
})
