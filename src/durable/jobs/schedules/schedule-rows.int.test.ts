import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type JobsStage, jobsStage } from '../../../../test/support/jobs-stage.ts'
import { until } from '../../../../test/support/until.ts'
import { HoldfastError } from '../../../domain/index.ts'
import { scheduleNamed } from './schedule-rows.ts'

let stage: JobsStage
beforeAll(async () => {
  stage = await jobsStage()
})
afterAll(() => stage.close())

const events = (channel: string) => stage.sql<{ id: string }[]>`
  select id from holdfast.events where channel = ${channel}`
const schedule = (name: string) => scheduleNamed(stage.sql, name)

describe('what happens once', () => {
  const append = { type: 'Launched', data: 1 }

  it('does not happen again when a process that starts asks for the same time', async () => {
    const name = `launch-${randomUUID()}`
    const channel = `launch:${name}`
    const nodes = [await stage.node(), await stage.node()]
    for (const node of nodes) await node.work()
    const at = Date.now() + 2_000
    const launch = { at, append: { ...append, channel } }
    await nodes[0]?.jobs.schedule(name, launch)
    const before = await schedule(name)
    await nodes[1]?.jobs.schedule(name, launch)
    expect(await schedule(name)).toEqual(before)
    await until('it has happened', async () => (await schedule(name))?.due === null)
    await nodes[1]?.jobs.schedule(name, launch)
    expect(await schedule(name)).toMatchObject({ due: null, lastDue: at })
    await nodes[0]?.jobs.schedule(name, { ...launch, at: at + 1 })
    await until('it has happened anew', async () => (await schedule(name))?.lastDue === at + 1)
    expect(await events(channel)).toHaveLength(2)
    for (const node of nodes) await node.close()
  })

  it('happens once although a process asks for it while it happens', async () => {
    const at = Date.now()
    const name = `meanwhile-${randomUUID()}`
    const channel = `meanwhile:${name}`
    const node = await stage.node({
      acts: {
        publish: async () => undefined,
        async append(event) {
          await node.tier.append(event)
          await node.jobs.schedule(name, { at, append: { ...append, channel } })
        },
      },
    })
    await node.work()
    await node.jobs.schedule(name, { at, append: { ...append, channel } })
    await until('it has happened', async () => (await schedule(name))?.lastDue === at)
    expect(await schedule(name)).toMatchObject({ due: null })
    expect(await events(channel)).toHaveLength(1)
    await node.close()
  })
})

it('a schedule that was paused is so after a month in which no process ran at all', async () => {
  const daily = { cron: '0 4 * * *', append: { channel: 'daily:1', type: 'T', data: 1 } }
  const config = { schedules: { daily } }
  const node = await stage.node({ config })
  await node.work()
  await node.jobs.schedule('ended', { at: 1_000, append: { channel: 'ended:1', type: 'T', data: 1 } })
  await until('it has happened', async () => (await schedule('ended'))?.due === null)
  await node.close()
  const monthMs = 31 * 86_400_000
  await stage.sql`update holdfast.schedules set paused = true, seen = seen - ${monthMs}::bigint where name = 'daily'`
  await stage.sql`update holdfast.schedules set created = created - ${monthMs}::bigint where name = 'ended'`
  const first = await stage.node()
  await first.work()
  await until('what is over is tidied up', async () => !(await schedule('ended')))
  const second = await stage.node({ config })
  await second.work()
  expect(await schedule('daily')).toMatchObject({ paused: true, resting: false })
  await first.close()
  await second.close()
})

describe('what is due', () => {
  it('happens although more schedules than are looked at at once cannot', async () => {
    const away: unknown[] = []
    const node = await stage.node({
      acts: {
        publish: async () => undefined,
        append: async event => {
          if (event.channel !== 'away:1') return node.tier.append(event)
          away.push(event)
          throw new HoldfastError('DEPENDENCY_FAILED', 'away')
        },
      },
    })
    await stage.sql`
      insert into holdfast.schedules (name, act, channel, type, data, due, created)
      select 'away-' || n, 'append', 'away:1', 'T', '1', 1000 + n % 7, 0 from generate_series(1, 1100) as n`
    await node.work()
    await until('they are tried', () => away.length > 0)
    await node.jobs.schedule('beside', { delayMs: 50, append: { channel: 'beside:1', type: 'T', data: 1 } })
    await until('the other happens', async () => (await events('beside:1')).length === 1)
    await node.close()
    await stage.sql`delete from holdfast.schedules where name like 'away-%'`
  })

  it('is found by an index, without those that are over', async () => {
    const node = await stage.node()
    await node.work()
    await until('it is used', async () => {
      const [index] = await stage.sql<{ used: number }[]>`
        select idx_scan as used from pg_stat_user_indexes where indexrelname = 'schedules_due'`
      return (index?.used ?? 0) > 0
    })
    await node.close()
  })
})
