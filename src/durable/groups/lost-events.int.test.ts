import { afterEach, beforeEach, expect, it } from 'vitest'
import { append, dense } from '../../../test/support/durable-nodes.ts'
import { type GroupStage, groupStage } from '../../../test/support/group-stage.ts'
import { until } from '../../../test/support/until.ts'
import type { OpenTier } from '../index.ts'

let stage: GroupStage
beforeEach(async () => {
  stage = await groupStage()
})
afterEach(() => stage?.close())

const channel = 'order:1'

/** As a failover does that loses commits. */
async function loseEvents(after: number): Promise<void> {
  await stage.database.sql.begin(async tx => {
    await tx`select set_config('holdfast.acting', 'remove_events', true)`
    await tx`delete from holdfast.events where position > ${after}`
  })
}

it('passes nothing that the ledger has lost, and what gets its positions later is handled', async () => {
  const partition = stage.bare.partitionOf(channel)
  const gate = Promise.withResolvers<void>()
  let inHand = false
  const work = async (tier: OpenTier) => {
    const groups = stage.worker({ tier })
    groups.group('g').on('order:*', '*', async ({ id, offset }, { tx }) => {
      if (offset === 4) inHand = true
      if (offset === 4) await gate.promise
      await tx`insert into public.effects ("group", channel, "offset", type) values ('g', ${channel}, ${offset}, ${id})`
    })
    await groups.work()
    return groups
  }
  const groups = await work(stage.a)
  await append(stage.a, channel, 3)
  await until('three are done', async () => (await stage.effects('g')).length === 3)
  await append(stage.a, channel, 5, { atOnce: true })
  await until('the fourth is in hand', () => inHand)
  await loseEvents(3)
  gate.resolve()
  await until('it is known', () => stage.a.status().ledger === 'behind_mirror')
  expect((await stage.place('g', partition)).position).toBe(3)
  // Everybody is gone who knows that something was lost, as when all of it is restored from a backup.
  await groups.close(1_000)
  await Promise.all([stage.a, stage.b].map(tier => tier.close()))
  await stage.redis.flushall()
  const fresh = await stage.node()
  const again = await work(fresh)
  await append(fresh, channel, 5)
  await until('the new ones are done', async () => (await stage.effects('g')).length === 8)
  const recorded = await stage.database.sql<{ offset: number; id: string }[]>`
    select "offset", id from holdfast.events where channel = ${channel} order by position`
  expect(recorded.map(({ offset }) => offset)).toEqual(dense(1, 8))
  expect((await stage.effects('g')).map(({ offset, type }) => ({ offset, id: type }))).toEqual([...recorded])
  expect((await stage.place('g', partition)).position).toBe(8)
  await again.close(1_000)
})
