import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { append, dense } from '../../../test/support/durable-nodes.ts'
import { type GroupStage, groupStage, openDeliveries } from '../../../test/support/group-stage.ts'
import { until } from '../../../test/support/until.ts'
import { park, retry } from './outcome.ts'
import type { Handler } from './types.ts'

let stage: GroupStage
beforeAll(async () => {
  stage = await groupStage()
})
afterAll(() => stage?.close())

let groupCount = 0
const newGroup = () => `g${++groupCount}`
let channelCount = 0
/** A channel that no other test has. */
const newChannel = () => `t${++channelCount}:x`

/** Writes down what it was called for, in the transaction that settles it. */
const recorder =
  (group: string): Handler =>
  async ({ channel, offset, type }, { tx }) => {
    await tx`insert into public.effects ("group", channel, "offset", type) values (${group}, ${channel}, ${offset}, ${type})`
  }
const offsetsOf = async (group: string, channel: string) =>
  (await stage.effects(group)).filter(each => each.channel === channel).map(({ offset }) => offset)
const handled = (group: string, channel: string, count: number) =>
  until(`${group} has handled ${count}`, async () => (await offsetsOf(group, channel)).length === count)

describe('an ordered group', () => {
  it('handles what the ledger has and what is appended, each once and in order', async () => {
    const [group, channel] = [newGroup(), newChannel()]
    await append(stage.a, channel, 20, { atOnce: true })
    const groups = stage.worker()
    const seen: unknown[] = []
    groups.group(group).on(`${channel.split(':')[0]}:{id}`, 'Numbered', async (event, context) => {
      await recorder(group)(event, context)
      seen.push([event.params, event.data, event.info, event.epoch, event.partition, context.attempt])
    })
    await groups.work()
    await handled(group, channel, 20)
    await append(stage.b, channel, 20)
    await handled(group, channel, 40)
    expect(await offsetsOf(group, channel)).toEqual(dense(1, 40))
    const partition = stage.bare.partitionOf(channel)
    expect(seen[0]).toEqual([{ id: 'x' }, {}, undefined, stage.epoch, partition, 1])
    await groups.close(1_000)
    expect(groups.status()[0]?.partitions).toEqual([])
  })

  it('begins with now where it is asked to, and goes on from its place afterwards', async () => {
    const [group, channel] = [newGroup(), newChannel()]
    await append(stage.a, channel, 3)
    for (const round of [1, 2]) {
      const groups = stage.worker()
      groups.group(group, { start: 'now' }).on(channel, '*', recorder(group))
      await groups.work()
      await append(stage.a, channel, 2)
      await handled(group, channel, 2 * round)
      await groups.close(1_000)
    }
    expect(await offsetsOf(group, channel)).toEqual([4, 5, 6, 7])
  })

  it('passes by what no handler wants, and writes its checkpoint nevertheless', async () => {
    const [group, channel] = [newGroup(), newChannel()]
    const groups = stage.worker()
    groups.group(group, { start: 'now' }).on(channel, 'Wanted', recorder(group))
    await groups.work()
    await append(stage.a, channel, 30, { atOnce: true })
    const partition = stage.bare.partitionOf(channel)
    const head = (await stage.bare.partitionHeads([partition])).get(partition) ?? 0
    await until(
      'the checkpoint has reached the head',
      async () => (await stage.place(group, partition)).position === head,
    )
    await stage.a.append({ channel, type: 'Wanted', data: '1' })
    await handled(group, channel, 1)
    await groups.close(1_000)
  })

  it('takes back what a failed handler wrote, retries it, and lets other channels go on', async () => {
    const group = newGroup()
    const partition = 5
    const names = Array.from({ length: 2_000 }, (_, i) => `retry${i}:x`)
    const [bad = '', good = ''] = names.filter(name => stage.bare.partitionOf(name) === partition)
    const groups = stage.worker()
    let opened = false
    const attempts: number[] = []
    groups
      .group(group, { start: 'now', batchSize: 5, retryMs: { first: 10, most: 50 }, maxAttempts: 1_000 })
      .on('*', '*', async (event, context) => {
        await recorder(group)(event, context)
        if (event.channel !== bad || event.offset !== 2) return
        attempts.push(context.attempt)
        if (!opened) throw new Error('not yet')
      })
    await groups.work()
    await append(stage.a, bad, 4)
    await append(stage.a, good, 4)
    await handled(group, good, 4)
    expect(await offsetsOf(group, bad)).toEqual([1])
    const open = await openDeliveries(stage.database, group)
    expect(open.map(({ channel, offset, state }) => [channel, offset, state])).toEqual([
      [bad, 2, 'retrying'],
      [bad, 3, 'waiting'],
      [bad, 4, 'waiting'],
    ])
    expect(open[0]?.reason).toBe('not yet')
    await until('it was tried some times', () => attempts.length > 3)
    opened = true
    await handled(group, bad, 4)
    expect(await offsetsOf(group, bad)).toEqual([1, 2, 3, 4])
    await until(
      'nothing is owed any more',
      async () => (await openDeliveries(stage.database, group)).length === 0,
    )
    // The first one in the batch, and once alone; then by the row's count.
    expect(attempts.slice(-3)).toEqual(dense((attempts.at(-1) ?? 0) - 2, attempts.at(-1) ?? 0))
    await groups.close(1_000)
  })

  it('parks, keeps later events of the channel waiting, and hands them over in order once it is redriven', async () => {
    const [group, channel] = [newGroup(), newChannel()]
    const groups = stage.worker()
    let fixed = false
    groups.group(group, { start: 'now', batchSize: 10 }).on(channel, '*', async (event, context) => {
      await recorder(group)(event, context)
      return event.offset === 3 && !fixed ? park('no such customer') : undefined
    })
    await groups.work()
    await append(stage.a, channel, 40)
    const owed = async () => openDeliveries(stage.database, group)
    await until('the rest waits', async () => (await owed()).length === 38)
    expect((await owed()).slice(0, 2)).toMatchObject([
      { offset: 3, state: 'parked', attempts: 1, reason: 'no such customer' },
      { offset: 4, state: 'waiting', attempts: 0 },
    ])
    fixed = true
    await stage.database.sql`
      update holdfast.deliveries set state = 'retrying', due = 0 where consumer = ${`group/${group}`} and "offset" = 3`
    await append(stage.a, channel, 5)
    await handled(group, channel, 45)
    expect(await offsetsOf(group, channel)).toEqual(dense(1, 45))
    expect(await owed()).toEqual([])
    await groups.close(1_000)
  })

  it('goes on behind a delivery that somebody has discarded', async () => {
    const [group, channel] = [newGroup(), newChannel()]
    const groups = stage.worker()
    groups.group(group, { start: 'now' }).on(channel, '*', async (event, context) => {
      if (event.offset === 1) return park('never')
      await recorder(group)(event, context)
    })
    await groups.work()
    await append(stage.a, channel, 3)
    await until('the others wait', async () => (await openDeliveries(stage.database, group)).length === 3)
    await stage.database.sql`
      update holdfast.deliveries set state = 'discarded' where consumer = ${`group/${group}`} and state = 'parked'`
    await handled(group, channel, 2)
    expect(await offsetsOf(group, channel)).toEqual([2, 3])
    await groups.close(1_000)
  })

  it('finds the poison in a batch, and handles everything around it once', async () => {
    const [group, poison] = [newGroup(), newChannel().split(':')[0]]
    const partition = stage.bare.partitionOf(`${poison}:0`)
    const names = Array.from({ length: 5_000 }, (_, i) => `${poison}:${i}`).filter(
      name => stage.bare.partitionOf(name) === partition,
    )
    for (const [i, channel] of names.slice(0, 40).entries())
      await stage.a.append({ channel, type: 'T', data: i % 13 === 7 ? '{"bad":true}' : '{}' })
    const groups = stage.worker()
    groups
      .group(group, { batchSize: 50, maxAttempts: 2, retryMs: { first: 5, most: 5 } })
      .on(`${poison}:*`, '*', async (event, context) => {
        await recorder(group)(event, context)
        const { bad } = event.data as { bad?: boolean }
        if (bad) await context.tx`select 1 / 0`
      })
    await groups.work()
    const parked = () => openDeliveries(stage.database, group)
    await until(
      'three are parked',
      async () => (await parked()).filter(row => row.state === 'parked').length === 3,
    )
    await until('the others are done', async () => (await stage.effects(group)).length === 37)
    expect((await parked()).map(({ attempts, reason }) => [attempts, reason])).toEqual(
      Array.from({ length: 3 }, () => [2, 'division by zero (attempt 2)']),
    )
    await groups.close(1_000)
  })

  it('retries after as long as the handler wants', async () => {
    const [group, channel] = [newGroup(), newChannel()]
    const groups = stage.worker()
    const times: number[] = []
    groups.group(group, { start: 'now' }).on(channel, '*', async () => {
      times.push(performance.now())
      return times.length === 1 ? retry(700, 'the bank is closed') : undefined
    })
    await groups.work()
    await append(stage.a, channel, 1)
    await until('it was handled again', () => times.length === 2)
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(650)
    await groups.close(1_000)
  })
})
