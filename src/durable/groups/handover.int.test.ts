import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { append, dense } from '../../../test/support/durable-nodes.ts'
import { type GroupStage, groupStage, openDeliveries } from '../../../test/support/group-stage.ts'
import { tcpProxy } from '../../../test/support/tcp-proxy.ts'
import { until } from '../../../test/support/until.ts'
import type { SystemGroups } from './groups.ts'
import type { Handler } from './types.ts'

let stage: GroupStage
beforeAll(async () => {
  stage = await groupStage()
})
afterAll(() => stage?.close())

let count = 0
const newGroup = () => `h${++count}`
const recorder =
  (group: string): Handler =>
  async ({ channel, offset, type }, { tx }) => {
    await tx`insert into public.effects ("group", channel, "offset", type) values (${group}, ${channel}, ${offset}, ${type})`
  }
const held = (worker: SystemGroups) => worker.status()[0]?.partitions ?? []
async function worker(
  group: string,
  handler = recorder(group),
  { url, handlerTimeoutMs = 30_000 }: { url?: string; handlerTimeoutMs?: number } = {},
): Promise<SystemGroups> {
  const groups = stage.worker({ leaseMs: 1_000, ...(url && { url }) })
  groups
    .group(group, { start: 'now', batchSize: 10, handlerTimeoutMs, retryMs: { first: 10, most: 100 } })
    .on('move:{id}', '*', handler)
  await groups.work()
  return groups
}
async function expectEachOnceInOrder(
  group: string,
  channels: readonly string[],
  last: number,
  withinMs = 15_000,
): Promise<void> {
  const total = channels.length * last
  const whole = async () => {
    const all = (await stage.effects(group)).filter(({ channel }) => channels.includes(channel))
    return all.length >= total ? all : undefined
  }
  const effects = await until(`${total} effects`, whole, withinMs)
  for (const name of channels) {
    const offsets = effects.filter(({ channel }) => channel === name).map(({ offset }) => offset)
    expect(offsets).toEqual(dense(1, last))
  }
}
const channelsOf = (name: string, many: number) => Array.from({ length: many }, (_, i) => `move:${name}-${i}`)
/** Appends to all of them until it is told to stop; returns how many each has. */
function traffic(channels: readonly string[]): () => Promise<number> {
  let going = true
  const done = (async () => {
    let rounds = 0
    for (; going; rounds++) await Promise.all(channels.map(channel => append(stage.a, channel, 1)))
    return rounds
  })()
  return () => {
    going = false
    return done
  }
}

describe('workers of one group', () => {
  it('share its partitions, and move them within seconds when one joins or leaves', async () => {
    const group = newGroup()
    const channels = channelsOf('join', 24)
    const first = await worker(group)
    // Not before: what is recorded earlier than a group that starts now is not its own.
    const stop = traffic(channels)
    const second = await worker(group)
    await until('each has half', () => held(first).length === 32 && held(second).length === 32)
    const third = await worker(group)
    await until('each has a third', () => [first, second, third].every(each => held(each).length >= 20))
    expect([...held(first), ...held(second), ...held(third)].sort((a, b) => a - b)).toEqual(dense(0, 63))
    await second.close(2_000)
    await until('two have it all', () => held(first).length + held(third).length === 64)
    await expectEachOnceInOrder(group, channels, await stop())
    await Promise.all([first.close(1_000), third.close(1_000)])
  })

  it('take over from one that is gone without a farewell', async () => {
    const group = newGroup()
    const channels = channelsOf('gone', 8)
    const proxy = await tcpProxy(stage.database.url)
    // Postgres cuts who is silent in a transaction ten seconds after a handler's time.
    const handlerTimeoutMs = 5_000
    const url = proxy.through(stage.database.url)
    const lost = await worker(group, recorder(group), { url, handlerTimeoutMs })
    await until('it has them all', () => held(lost).length === 64)
    const stop = traffic(channels)
    await until('it works', async () => (await stage.effects(group)).length > 20)
    proxy.swallow({ connections: 'present' })
    // It notices by itself, although nobody answers.
    await until('it has stopped', () => held(lost).length === 0)
    const heir = await worker(group, recorder(group), { handlerTimeoutMs })
    // Postgres may have to miss it too: a place that it was just settling is locked until then.
    await until('the heir can work', () => held(heir).length >= 32)
    await expectEachOnceInOrder(group, channels, await stop(), 60_000)
    await heir.close(1_000)
    await until('it takes part again', () => held(lost).length === 64, 30_000)
    await lost.close(1_000)
    await proxy.close()
  }, 120_000)

  it('cannot settle what another has been given meanwhile', async () => {
    const group = newGroup()
    const channel = 'move:fence'
    const partition = stage.bare.partitionOf(channel)
    const gate = Promise.withResolvers<void>()
    let calls = 0
    const groups = await worker(group, async (event, context) => {
      await recorder(group)(event, context)
      if (++calls === 1) await gate.promise
    })
    await until('it has them all', () => held(groups).length === 64)
    await append(stage.a, channel, 1)
    await until('the handler is at work', () => calls === 1)
    await stage.database.sql`
      update holdfast.group_partitions set fence = fence + 1 where "group" = ${group} and partition = ${partition}`
    gate.resolve()
    await until('it was handled again', () => calls === 2)
    await until('it is settled', async () => (await stage.effects(group)).length === 1)
    expect(await openDeliveries(stage.database, group)).toEqual([])
    expect(groups.status()[0]?.suppressed).toBe(1)
    await groups.close(1_000)
  })

  it('aborts a handler whose lease is gone', async () => {
    const group = newGroup()
    const channel = 'move:abort'
    const aborted: unknown[] = []
    let begun = 0
    const groups = await worker(group, async (_, { signal }) => {
      begun++
      if (aborted.length > 0) return
      await new Promise(resolve => signal.addEventListener('abort', resolve))
      aborted.push(signal.reason)
    })
    await append(stage.a, channel, 1)
    await until('the handler is at work', () => begun === 1)
    await stage.database.sql`
      update holdfast.group_partitions set fence = fence + 1
      where "group" = ${group} and partition = ${stage.bare.partitionOf(channel)}`
    await until('it was aborted', () => aborted.length === 1)
    await until('it was handled again', async () => {
      const { position } = await stage.place(group, stage.bare.partitionOf(channel))
      return position > 0
    })
    await groups.close(1_000)
  })
})

describe('stopping', () => {
  it('finishes what is in hand and settles it', async () => {
    const group = newGroup()
    const gate = Promise.withResolvers<void>()
    let begun = 0
    const groups = await worker(group, async (event, context) => {
      begun++
      await gate.promise
      await recorder(group)(event, context)
    })
    await append(stage.a, 'move:stop', 3)
    await until('a handler is at work', () => begun > 0)
    const closed = groups.close(10_000)
    await delay(50)
    gate.resolve()
    await closed
    const { length } = await stage.effects(group)
    expect(length).toBeGreaterThan(0)
    const [row] = await stage.database.sql<{ members: number; held: number }[]>`
      select (select count(*) from holdfast.group_members where "group" = ${group}) as members,
             (select count(*) from holdfast.group_partitions where "group" = ${group} and holder is not null) as held`
    expect(row).toEqual({ members: 0, held: 0 })
    const next = await worker(group)
    await expectEachOnceInOrder(group, ['move:stop'], 3)
    await next.close(1_000)
  })

  it('does not wait for ever: what is not finished in time is taken back, and done by the next one', async () => {
    const group = newGroup()
    let begun = 0
    const late: string[] = []
    const finished = Promise.withResolvers<void>()
    const groups = await worker(group, async (event, context) => {
      begun++
      await recorder(group)(event, context)
      await finished.promise
      await context.tx`select 1`.catch(error => late.push(error.message))
    })
    await append(stage.a, 'move:never', 2)
    await until('a handler is at work', () => begun > 0)
    const before = performance.now()
    await groups.close(200)
    expect(performance.now() - before).toBeLessThan(5_000)
    finished.resolve()
    await until('the late statement was refused', () => late.length === 1)
    expect(await stage.effects(group)).toEqual([])
    const next = await worker(group)
    await expectEachOnceInOrder(group, ['move:never'], 2)
    await next.close(1_000)
  })

  it('passes on what it can while a place is being written by a process that nobody hears of any more', async () => {
    const group = newGroup()
    const first = await worker(group)
    await until('it has them all', () => held(first).length === 64)
    const { fence } = await stage.place(group, 0)
    const gone = Promise.withResolvers<void>()
    const locked = Promise.withResolvers<void>()
    const writing = stage.database.sql.begin(async tx => {
      await tx`
        update holdfast.group_partitions set position = position where "group" = ${group} and partition = 60`
      locked.resolve()
      await gone.promise
    })
    await locked.promise
    const second = await worker(group)
    await until('the other has its share of the rest', () => held(second).length === 31)
    gone.resolve()
    await writing
    await until('it has that one too', () => held(second).length === 32)
    expect((await stage.place(group, 0)).fence).toBe(fence)
    await Promise.all([first.close(1_000), second.close(1_000)])
  })

  it('leaves everything where it is while it is paused', async () => {
    const group = newGroup()
    const groups = await worker(group)
    await until('it has them all', () => held(groups).length === 64)
    await stage.database.sql`update holdfast.groups set paused = true where name = ${group}`
    await until('it has heard of it', () => groups.status()[0]?.paused)
    await append(stage.a, 'move:pause', 3)
    await delay(1_200)
    expect(await stage.effects(group)).toEqual([])
    expect(held(groups)).toHaveLength(64)
    await stage.database.sql`update holdfast.groups set paused = false where name = ${group}`
    await expectEachOnceInOrder(group, ['move:pause'], 3)
    await groups.close(1_000)
  })
})
