import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type JobsStage, jobsStage } from '../../../../test/support/jobs-stage.ts'
import { until } from '../../../../test/support/until.ts'
import { HoldfastError } from '../../../domain/index.ts'
import { forgetUndeclared, scheduleNamed } from './schedule-rows.ts'

let stage: JobsStage
beforeAll(async () => {
  stage = await jobsStage()
})
afterAll(() => stage.close())

const events = (channel: string) => stage.sql<{ id: string; type: string; data: string; offset: number }[]>`
  select id, type, data, "offset" from holdfast.events where channel = ${channel} order by "offset"`

const schedule = (name: string) => scheduleNamed(stage.sql, name)

/** As if nobody had been there to work for so long. */
const missed = (name: string, ms: number) =>
  stage.sql`update holdfast.schedules set due = due - ${ms}::bigint where name = ${name}`

describe('a schedule', () => {
  it('happens once at its time, and its row remembers that it did', async () => {
    const node = await stage.node()
    await node.work()
    const before = Date.now()
    await node.jobs.schedule('remind', {
      delayMs: 300,
      append: { channel: 'once:1', type: 'Reminded', data: { of: 'tea' } },
    })
    await until('it has happened', async () => (await schedule('remind'))?.due === null)
    expect(await events('once:1')).toMatchObject([{ type: 'Reminded', data: '{"of":"tea"}' }])
    const row = await schedule('remind')
    expect(row?.lastDue).toBeGreaterThanOrEqual(before + 300)
    const [recorded] = await stage.sql<{ time: number }[]>`
      select "time" from holdfast.events where channel = 'once:1'`
    expect(recorded?.time).toBeGreaterThanOrEqual(row?.lastDue ?? 0)
    await node.close()
  })

  it('that comes again and again happens once for each time, however many processes there are', async () => {
    const nodes = [await stage.node(), await stage.node()]
    for (const node of nodes) await node.work()
    await nodes[0]?.jobs.schedule('tick', {
      cron: '* * * * * *',
      append: { channel: 'tick:1', type: 'Ticked', data: 1 },
    })
    await until('it has ticked four times', async () => (await events('tick:1')).length >= 4)
    await nodes[1]?.jobs.unschedule('tick')
    const row = await schedule('tick')
    expect(row).toBeUndefined()
    for (const node of nodes) await node.close()
    const happened = nodes
      .flatMap(node => node.jobs.status().schedules)
      .filter(each => each.name === '(other)')
    const done = happened.filter(each => each.outcome === 'done').reduce((sum, each) => sum + each.count, 0)
    expect(done).toBeGreaterThanOrEqual((await events('tick:1')).length)
  })

  it('is one event although two processes come to it at the same time', async () => {
    const nodes = [await stage.node(), await stage.node()]
    for (const node of nodes) await node.work()
    await stage.client.flushall()
    await nodes[0]?.jobs.schedule('both', {
      delayMs: 3_000,
      append: { channel: 'both:1', type: 'T', data: 1 },
    })
    const due = (await schedule('both'))?.due ?? 0
    // A second timer for the same time, as after a Redis that was wiped in between.
    const [key] = await until('there is a timer', async () => {
      const found = await stage.client.keys('{holdfast.jobs.*}:schedules:both.*')
      return found.length > 0 ? found : undefined
    })
    const { Queue } = await import('bullmq')
    const queue = new Queue('schedules', {
      connection: stage.client,
      prefix: (key ?? '').slice(0, (key ?? '').indexOf('}') + 1),
    })
    await queue.add('both', { name: 'both', due }, { delay: due - Date.now(), jobId: 'again' })
    await until('it has happened', async () => (await schedule('both'))?.due === null)
    await until(
      'both timers are gone',
      async () => (await queue.getJobCountByTypes('delayed', 'active')) === 0,
    )
    expect(await events('both:1')).toHaveLength(1)
    await queue.close()
    for (const node of nodes) await node.close()
  })

  it('that has missed many times happens for the latest, and goes on from there', async () => {
    const node = await stage.node()
    await node.jobs.schedule('hourly', {
      cron: '0 * * * *',
      append: { channel: 'hourly:1', type: 'T', data: 1 },
    })
    const before = await schedule('hourly')
    await missed('hourly', 5 * 3_600_000)
    await node.work()
    await until('it has happened', async () => (await schedule('hourly'))?.lastDue)
    const after = await schedule('hourly')
    expect(after?.due).toBe(before?.due)
    expect(after?.lastDue).toBe((before?.due ?? 0) - 3_600_000)
    expect(await events('hourly:1')).toHaveLength(1)
    await node.close()
  })

  it('survives a Redis that forgets its timer, and one that is away at its time', async () => {
    const node = await stage.node()
    await node.work()
    await node.jobs.schedule('wiped', { delayMs: 1_500, append: { channel: 'wiped:1', type: 'T', data: 1 } })
    await until('there is a timer', async () => (await stage.client.keys('*schedules:wiped*')).length > 0)
    await stage.client.flushall()
    await until('it has happened', async () => (await schedule('wiped'))?.due === null)
    expect(await events('wiped:1')).toHaveLength(1)

    await stage.redis.kill()
    try {
      await node.jobs.schedule('away', { delayMs: 100, append: { channel: 'away:1', type: 'T', data: 1 } })
      await until('its time has come', async () => ((await schedule('away'))?.due ?? 0) < Date.now())
    } finally {
      await stage.redis.startAgain()
    }
    await until('it has happened', async () => (await schedule('away'))?.due === null)
    expect(await events('away:1')).toHaveLength(1)
    await node.close()
  })

  it('publishes at most once', async () => {
    let published = 0
    const node = await stage.node({
      acts: {
        append: async () => undefined,
        publish: async () => {
          published += 1
          throw new Error('no bus')
        },
      },
    })
    await node.work()
    await node.jobs.schedule('say', { delayMs: 50, publish: { channel: 'room:1', data: 'now' } })
    await until('its failure is told', async () => (await schedule('say'))?.failure === 'no bus')
    expect(await schedule('say')).toMatchObject({ due: null })
    expect(published).toBe(1)
    await node.close()
    const other = await stage.node()
    await other.work()
    await other.jobs.schedule('say', { at: new Date(), publish: { channel: 'room:1', data: { at: 'once' } } })
    await until('it is said', () => other.published.length > 0)
    expect(other.published).toEqual([{ channel: 'room:1', data: '{"at":"once"}' }])
    await other.close()
  })

  it('comes again while its append is not possible for now, and goes on after one that never is', async () => {
    let attempts = 0
    const node = await stage.node({
      acts: {
        publish: async () => undefined,
        append: async event => {
          if (event.channel === 'bad:1') throw new HoldfastError('PAYLOAD_INVALID', 'not in the contract')
          attempts += 1
          throw new HoldfastError('DEPENDENCY_FAILED', 'Postgres: away')
        },
      },
    })
    await node.work()
    const minute = { everySeconds: 60 }
    await node.jobs.schedule('bad', { ...minute, append: { channel: 'bad:1', type: 'T', data: 1 } })
    await node.jobs.schedule('later', { ...minute, append: { channel: 'later:1', type: 'T', data: 1 } })
    await missed('bad', 60_000)
    await missed('later', 60_000)
    await until('both failures are told', async () => {
      const [bad, later] = [await schedule('bad'), await schedule('later')]
      return bad?.failure === 'not in the contract' && later?.failure === 'Postgres: away'
    })
    expect((await schedule('bad'))?.due).toBeGreaterThan(Date.now() - 1_000)
    expect((await schedule('later'))?.due).toBeLessThan(Date.now())
    expect(attempts).toBe(1)
    await node.close()
    const other = await stage.node()
    await other.work()
    await until('it has happened', async () => (await schedule('later'))?.failure === null)
    expect(await events('later:1')).toHaveLength(1)
    await other.close()
  })

  it('that is paused or was removed does not happen', async () => {
    const node = await stage.node()
    await node.work()
    for (const name of ['paused', 'removed'])
      await node.jobs.schedule(name, { delayMs: 4_000, append: { channel: 'never:1', type: 'T', data: 1 } })
    await until('there are timers', async () => (await stage.client.keys('*schedules:removed*')).length > 0)
    await stage.sql`update holdfast.schedules set paused = true where name = 'paused'`
    expect(await node.jobs.unschedule('removed')).toBe(true)
    expect(await node.jobs.unschedule('removed')).toBe(false)
    await until('both timers came to nothing', () => {
      const suppressed = node.jobs.status().schedules.filter(each => each.outcome === 'suppressed')
      return suppressed.length === 1 && suppressed[0]?.name === '(other)' && suppressed[0].count === 2
    })
    expect(await events('never:1')).toHaveLength(0)
    await node.close()
  })
})

describe('schedules of the configuration', () => {
  const config = {
    schedules: {
      nightly: { cron: '0 3 * * *', zone: 'Europe/Berlin', publish: { channel: 'a:b', data: 1 } },
    },
  }

  it('are written down at the start, kept in place by the next, and not to be changed from elsewhere', async () => {
    const node = await stage.node({ config })
    await node.work()
    const row = await schedule('nightly')
    expect(row).toMatchObject({ declared: true, cron: '0 3 * * *', zone: 'Europe/Berlin' })
    await stage.sql`update holdfast.schedules set due = due + 86400000 where name = 'nightly'`
    const again = await stage.node({ config })
    await again.work()
    expect((await schedule('nightly'))?.due).toBe((row?.due ?? 0) + 86_400_000)
    const other = { cron: '0 4 * * *', publish: { channel: 'a:b', data: 1 } }
    await expect(node.jobs.schedule('nightly', other)).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
    await expect(node.jobs.unschedule('nightly')).rejects.toThrow(/belongs to the configuration/)
    const changed = await stage.node({ config: { schedules: { nightly: other } } })
    await changed.work()
    expect(await schedule('nightly')).toMatchObject({ cron: '0 4 * * *', zone: null })
    await Promise.all([node, again, changed].map(each => each.close()))
  })

  it('rest when no process declares them, go on with what they missed, and are removed after a week', async () => {
    const tea = {
      schedules: { tea: { cron: '0 * * * *', append: { channel: 'tea:1', type: 'T', data: 1 } } },
    }
    const node = await stage.node({ config: tea })
    await node.work()
    await node.close()
    await missed('tea', 3_600_000)
    await stage.sql`update holdfast.schedules set seen = seen - 700000 where name = 'tea'`
    const other = await stage.node()
    await other.work()
    await other.jobs.schedule('beside', { delayMs: 50, append: { channel: 'beside:1', type: 'T', data: 1 } })
    await until('others happen', async () => (await events('beside:1')).length === 1)
    expect(await schedule('tea')).toMatchObject({ resting: true, lastDue: null })
    const again = await stage.node({ config: tea })
    await again.work()
    await until('it has happened', async () => (await events('tea:1')).length === 1)
    await until('it is counted', () =>
      [other, again].some(({ jobs }) => jobs.status().schedules.some(each => each.name === 'tea')),
    )
    await again.close()
    await stage.sql`update holdfast.schedules set seen = seen - 8 * 86400000::bigint where name = 'tea'`
    await forgetUndeclared(stage.sql)
    expect(await schedule('tea')).toBeUndefined()
    await other.close()
  })

  it.each([
    [{ cron: 'nonsense', publish: { channel: 'a', data: 1 } }, /schedule bad: cron/],
    [{ cron: '* * * * *', zone: 'Mars/Base', publish: { channel: 'a', data: 1 } }, /time zone/],
    [{ cron: '* * * * *', publish: { channel: 'has space', data: 1 } }, /channel/],
  ])('are refused before anything is opened: %j', async (bad, message) => {
    await expect(stage.node({ config: { schedules: { bad } } })).rejects.toThrow(message)
  })
})

it.each([
  ['Bad Name', { delayMs: 1, publish: { channel: 'a', data: 1 } }, /name/],
  ['ok', { publish: { channel: 'a', data: 1 } }, /exactly one of at/],
  ['ok', { delayMs: 1, cron: '* * * * *', publish: { channel: 'a', data: 1 } }, /exactly one of at/],
  ['ok', { delayMs: 1 }, /exactly one of append and publish/],
  ['ok', { delayMs: 1, publish: { channel: 'a', data: undefined } }, /JSON/],
  ['ok', { delayMs: Number.NaN, publish: { channel: 'a', data: 1 } }, /expected a time/],
  ['ok', { everySeconds: 0, publish: { channel: 'a', data: 1 } }, /everySeconds/],
  ['ok', { delayMs: 1, append: { channel: 'a', type: '', data: 1 } }, /type/],
])('a schedule that makes no sense is refused: %s %j', async (name, options, message) => {
  const node = await stage.node()
  await expect(node.jobs.schedule(name, options)).rejects.toThrow(message)
  await node.close()
})
