import { afterAll, beforeAll, expect, it } from 'vitest'
import { append, dense } from '../../../test/support/durable-nodes.ts'
import { type GroupStage, groupStage, openDeliveries } from '../../../test/support/group-stage.ts'
import { tcpProxy } from '../../../test/support/tcp-proxy.ts'
import { until } from '../../../test/support/until.ts'
import type { SystemGroups } from './groups.ts'

/** A log that is shorter than what a group misses. */
const logSize = 30
let stage: GroupStage
beforeAll(async () => {
  stage = await groupStage({ logSize })
})
afterAll(() => stage?.close())

let count = 0
const fresh = () => `o${++count}`
const working: SystemGroups[] = []
async function worker(
  group: string,
  options: Parameters<GroupStage['worker']>[0] = {},
): Promise<SystemGroups> {
  const groups = stage.worker({ leaseMs: 1_500, ...options })
  groups.group(group, { batchSize: 20 }).on(`${group}:{id}`, '*', async ({ channel, offset }, { tx }) => {
    await tx`insert into public.effects ("group", channel, "offset") values (${group}, ${channel}, ${offset})`
  })
  await groups.work()
  working.push(groups)
  return groups
}
const offsets = async (group: string) => (await stage.effects(group)).map(({ offset }) => offset)
const settled = (group: string, last: number) =>
  until(`${group} has handled ${last}`, async () => (await offsets(group)).length >= last, 30_000)

it('goes on from the ledger when it was away for longer than the log is long', async () => {
  const group = fresh()
  const channel = `${group}:1`
  await append(stage.a, channel, 10)
  const before = await worker(group)
  await settled(group, 10)
  await before.close(1_000)
  await append(stage.a, channel, 200, { atOnce: true })
  const after = await worker(group)
  await settled(group, 210)
  await append(stage.b, channel, 20)
  await settled(group, 230)
  expect(await offsets(group)).toEqual(dense(1, 230))
  await after.close(1_000)
})

it('passes the holes that retention has left', async () => {
  const group = fresh()
  const [channel, old] = [`${group}:1`, `${group}:2`]
  const names = dense(3, 3_000).map(n => `${group}:${n}`)
  const mate = names.find(name => stage.bare.partitionOf(name) === stage.bare.partitionOf(old)) ?? ''
  for (let round = 0; round < 5; round++)
    for (const name of [channel, old, mate]) await append(stage.a, name, 3)
  await stage.database.sql`
    select holdfast.remove_events(${stage.epoch}, ${stage.bare.partitionOf(old)}, ${old}, 15, 100)`
  // What the log still had would be handled too.
  await stage.redis.flushall()
  const groups = await worker(group)
  await settled(group, 30)
  await append(stage.a, old, 2)
  await settled(group, 32)
  const all = await stage.effects(group)
  const of = (name: string) => all.filter(effect => effect.channel === name).map(({ offset }) => offset)
  expect([of(channel), of(mate), of(old)]).toEqual([dense(1, 15), dense(1, 15), [16, 17]])
  await groups.close(1_000)
})

it('misses and repeats nothing when Redis is wiped, killed and back, in the middle of traffic', async () => {
  const group = fresh()
  const channels = dense(1, 6).map(n => `${group}:${n}`)
  const groups = [await worker(group), await worker(group, { tier: stage.b })]
  const round = async (rounds: number) => {
    for (let i = 0; i < rounds; i++) await Promise.all(channels.map(channel => append(stage.a, channel, 1)))
  }
  await round(20)
  await stage.redis.flushall()
  await round(20)
  await stage.killRedis()
  await round(20)
  await settled(group, 360)
  await stage.startRedis()
  await round(20)
  await stage.redis.flushall().catch(() => undefined)
  await round(10)
  await settled(group, 540)
  const effects = await stage.effects(group)
  for (const channel of channels)
    expect(effects.filter(each => each.channel === channel).map(({ offset }) => offset)).toEqual(dense(1, 90))
  await Promise.all(groups.map(each => each.close(1_000)))
})

it('waits while Postgres is away, and goes on', async () => {
  const group = fresh()
  const channel = `${group}:1`
  const proxy = await tcpProxy(stage.database.url)
  const groups = await worker(group, { url: proxy.through(stage.database.url) })
  await append(stage.a, channel, 20)
  await settled(group, 20)
  proxy.loseAnswers()
  await append(stage.a, channel, 20)
  await until('some answers were lost', () => proxy.lost() > 10)
  expect((await offsets(group)).length).toBeLessThan(41)
  proxy.answerAgain()
  await append(stage.a, channel, 20)
  await settled(group, 60)
  expect(await offsets(group)).toEqual(dense(1, 60))
  await groups.close(1_000)
  await proxy.close()
})

it('outlives the end of its sessions at any moment', async () => {
  const group = fresh()
  const channels = dense(1, 5).map(n => `${group}:${n}`)
  const groups = await worker(group)
  let going = true
  const cutting = (async () => {
    while (going) {
      await stage.database.sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name like 'holdfast-groups%' and random() < 0.4`
      await new Promise(resolve => setTimeout(resolve, 60))
    }
  })()
  for (let i = 0; i < 150; i++) await Promise.all(channels.map(channel => append(stage.a, channel, 1)))
  going = false
  await cutting
  await settled(group, 750)
  const effects = await stage.effects(group)
  for (const channel of channels)
    expect(effects.filter(each => each.channel === channel).map(({ offset }) => offset)).toEqual(
      dense(1, 150),
    )
  expect(await openDeliveries(stage.database, group)).toEqual([])
  await groups.close(1_000)
})

it('ends when its group is removed, and leaves the others at work', async () => {
  const [group, other] = [fresh(), fresh()]
  const groups = stage.worker()
  for (const name of [group, other])
    groups.group(name, { start: 'now' }).on(`${name}:*`, '*', async ({ channel, offset }, { tx }) => {
      await tx`insert into public.effects ("group", channel, "offset") values (${name}, ${channel}, ${offset})`
    })
  await groups.work()
  await until('both have their partitions', () =>
    groups.status().every(each => each.partitions.length === 64),
  )
  await stage.database.sql`select holdfast.remove_group(${group}, 'test', null)`
  await until('it has let go', () => groups.status()[0]?.partitions.length === 0)
  await append(stage.a, `${group}:1`, 1)
  await append(stage.a, `${other}:1`, 1)
  await settled(other, 1)
  expect(await offsets(group)).toEqual([])
  await groups.close(1_000)
})

it('goes on in another epoch from where it stood', async () => {
  const group = fresh()
  const channel = `${group}:1`
  const groups = await worker(group)
  await append(stage.a, channel, 5)
  await settled(group, 5)
  const partition = stage.bare.partitionOf(channel)
  const { position, fence } = await stage.place(group, partition)
  await stage.database.sql`
    insert into holdfast.deliveries (consumer, partition, position, channel, "offset", event_id, event_type, state, created, updated)
    values (${`group/${group}`}, ${partition}, ${position + 100}, 'lost:1', 1, gen_random_uuid(), 'T', 'parked', 0, 0)`
  await stage.database.sql`select holdfast.new_epoch()`
  await until('its fence has grown', async () => (await stage.place(group, partition)).fence > fence)
  await append(stage.b, channel, 5)
  await settled(group, 10)
  expect(await offsets(group)).toEqual(dense(1, 10))
  expect(await openDeliveries(stage.database, group)).toEqual([])
  await groups.close(1_000)
})
