import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type JobsStage, jobsStage, type StageNode } from '../../../test/support/jobs-stage.ts'
import { until } from '../../../test/support/until.ts'
import { createLogger } from '../../platform/index.ts'
import { done, retry } from '../groups/outcome.ts'
import type { Handler } from '../groups/types.ts'
import { forgetRules } from './rule-rows.ts'

let stage: JobsStage
beforeAll(async () => {
  stage = await jobsStage()
})
afterAll(() => stage.close())

const settled: JobsStage['settled'] = (rule, state, count) => stage.settled(rule, state, count)

/** A process with one rule, for the channels that begin with its name. */
async function working(name: string, handler: Handler, concurrency = 10): Promise<StageNode> {
  const node = await stage.node()
  node.jobs.handler(name, handler)
  node.jobs.rule(name, { on: { channel: `${name}:*` }, handler: name, concurrency })
  await node.work()
  return node
}

const count = (node: StageNode, name: string, outcome: string) =>
  node.jobs.status().deliveries.find(each => each.name === name && each.outcome === outcome)?.count ?? 0

/** A test that fails leaves the others their Redis. */
async function whileAway<T>(work: () => Promise<T>): Promise<T> {
  await stage.redis.kill()
  try {
    return await work()
  } finally {
    await stage.redis.startAgain()
  }
}

describe('a Redis that forgets everything', () => {
  it('loses no delivery whose row was written while it was away', async () => {
    const handled: unknown[] = []
    const node = await working('away', event => void handled.push(event.data))
    await stage.append('away:1', 'T', 0)
    await settled('away', 'done')
    await whileAway(async () => {
      for (let n = 1; n <= 20; n++) await stage.append(`away:${n % 3}`, 'T', n)
      await settled('away', 'queued', 20)
      expect(node.jobs.status().redis).toBe('unreachable')
    })
    await settled('away', 'done', 21)
    expect(handled.sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 21 }, (_, n) => n))
    await node.close()
  })

  it('is used at once again when it is back, by a process that has found it away', async () => {
    const node = await working('back', () => undefined)
    await whileAway(async () => {
      await stage.append('back:1', 'T', 0)
      await settled('back', 'queued')
    })
    await settled('back', 'done')
    const found = count(node, 'back', 'requeued')
    await stage.append('back:1', 'T', 1)
    await settled('back', 'done', 2)
    expect(count(node, 'back', 'requeued')).toBe(found)
    await node.close()
  })

  it('loses none that waits for its next attempt, and the attempts go on from the row', async () => {
    const attempts: number[] = []
    const node = await working('delayed', (_, { attempt }) => {
      attempts.push(attempt)
      return attempt < 3 ? retry(700, 'not yet') : done()
    })
    await stage.append('delayed:1', 'T', 0)
    await until('it waits', async () => (await stage.deliveries('delayed'))[0]?.attempts === 1)
    await stage.client.flushall()
    await settled('delayed', 'done')
    expect(attempts).toEqual([1, 2, 3])
    expect(count(node, 'delayed', 'requeued')).toBeGreaterThan(0)
    await node.close()
  })

  it('lets what is in hand end, once', async () => {
    const begun = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    let runs = 0
    await stage.table('outcomes (name text)')
    const node = await working('inhand', async (_, { tx }) => {
      runs += 1
      await tx`insert into outcomes values ('inhand')`
      begun.resolve()
      await goOn.promise
    })
    await stage.append('inhand:1', 'T', 0)
    await begun.promise
    await stage.client.flushall()
    // Its delivery is overdue, so it is enqueued again, and begins a second time beside the first.
    await until('it begins again', () => runs >= 2)
    goOn.resolve()
    await settled('inhand', 'done')
    await until('the second one is taken back', () => count(node, 'inhand', 'suppressed') > 0)
    expect(count(node, 'inhand', 'done')).toBe(1)
    expect(await stage.sql`select from outcomes`).toHaveLength(1)
    await node.close()
  })

  it('that was not there at the start is waited for', async () => {
    const node = await whileAway(async () => {
      const begun = await working('absent', () => undefined)
      await stage.append('absent:1', 'T', 0)
      await settled('absent', 'queued')
      return begun
    })
    await settled('absent', 'done')
    await node.close()
  })

  it('that hangs holds nobody up for ever, nor the end of the process', async () => {
    const node = await working('hung', () => undefined)
    await stage.append('hung:1', 'T', 0)
    await settled('hung', 'done')
    stage.redis.hang()
    await stage.append('hung:2', 'T', 0)
    await settled('hung', 'queued')
    const before = Date.now()
    await node.close(500)
    expect(Date.now() - before).toBeLessThan(10_000)
    stage.redis.goOn()
    const other = await working('hung', () => undefined)
    await settled('hung', 'done', 2)
    await other.close()
  })
})

describe('jobs', () => {
  it('that come twice do nothing', async () => {
    const node = await working('twice', () => undefined)
    await stage.append('twice:1', 'T', 0)
    const [row] = await settled('twice', 'done')
    const queue = await stage.queue('twice')
    const [{ partition, position } = { partition: 0, position: 0 }] = await stage.sql<
      { partition: number; position: number }[]
    >`select partition, position from holdfast.deliveries where id = ${row?.id ?? 0}`
    const place = { rule: 'twice', partition, position, id: row?.eventId }
    await queue.add('twice', place, { jobId: `twice.${row?.eventId}` })
    await queue.add('twice', { ...place, id: '01a20000-0000-7000-8000-000000000000' })
    await until('both are suppressed', () => count(node, 'twice', 'suppressed') === 2)
    for (const nonsense of [null, 7, {}, { ...place, partition: 'x' }, { ...place, rule: 'other' }]) {
      await queue.add('nonsense', nonsense)
    }
    await until('nothing is left', async () => {
      const counts = await queue.getJobCounts()
      return Object.values(counts).every(each => each === 0)
    })
    expect((await stage.deliveries('twice'))[0]).toMatchObject({ state: 'done', attempts: 1 })
    await node.close()
  })

  it('in hand are finished when the process stops, or else begun again elsewhere without being counted', async () => {
    let begun = 0
    const aborted: boolean[] = []
    const first = await working('moves', async (event, { signal }) => {
      begun += 1
      if (event.data === 'short') return done()
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          aborted.push(true)
          reject(signal.reason)
        })
      })
    })
    await stage.append('moves:1', 'T', 'long')
    await until('it has begun', () => begun === 1)
    await first.close(200)
    expect(aborted).toEqual([true])
    expect((await stage.deliveries('moves'))[0]).toMatchObject({ state: 'queued', attempts: 0 })
    const attempts: number[] = []
    const second = await working('moves', (_, { attempt }) => void attempts.push(attempt))
    await settled('moves', 'done')
    expect(attempts).toEqual([1])
    await second.close()
  })

  it('say so where their Redis may evict them', async () => {
    const lines: string[] = []
    const logger = createLogger('warn')
    const warn = logger.warn.bind(logger)
    logger.warn = ((...args: unknown[]) => lines.push(JSON.stringify(args))) as typeof warn
    await stage.client.config('SET', 'maxmemory-policy', 'allkeys-lru')
    const node = await stage.node({ logger })
    await node.work()
    await until('it is said', () => lines.some(line => line.includes('noeviction')))
    await stage.client.config('SET', 'maxmemory-policy', 'noeviction')
    await node.close()
  })

  it('wait in Postgres where there is no Redis at all', async () => {
    const node = await stage.node({ redis: undefined })
    node.jobs.handler('none', () => undefined)
    node.jobs.rule('none', { on: { channel: 'none:*' }, handler: 'none' })
    await node.work()
    await stage.append('none:1', 'T', 0)
    await settled('none', 'queued')
    expect(node.jobs.status().redis).toBe('not_configured')
    await node.close()
    const other = await working('none', () => undefined)
    await settled('none', 'done')
    await other.close()
  })
})

describe('a rule that no process declares any more', () => {
  it('is applied by those with other rules, and what it owes is made when it is declared again', async () => {
    const queueing = await stage.node()
    queueing.jobs.rule('gone', { on: { channel: 'gone:*' }, handler: 'nowhere' })
    await queueing.work()
    await stage.append('gone:1', 'T', 1)
    await settled('gone', 'queued')
    await queueing.close()
    const other = await stage.node()
    other.jobs.handler('here', () => undefined)
    other.jobs.rule('stays', { on: { channel: 'gone:*' }, handler: 'here' })
    await other.work()
    await stage.sql`update holdfast.job_rules set seen = seen - 86400000 where name = 'gone'`
    await stage.append('gone:1', 'T', 2)
    await settled('stays', 'done')
    expect(await stage.deliveries('gone')).toHaveLength(2)
    await stage.sql`update holdfast.job_rules set seen = seen - 7 * 86400000 where name = 'gone'`
    expect(await forgetRules(stage.sql)).toEqual(['gone'])
    await stage.append('gone:1', 'T', 3)
    await settled('stays', 'done', 2)
    expect(await stage.deliveries('gone')).toHaveLength(2)
    other.jobs.rule('gone', { on: { channel: 'gone:*' }, handler: 'here' })
    await settled('gone', 'done', 2)
    await other.close()
  })
  it('is still applied after a week in which no process ran at all, also before it is declared again', async () => {
    const rule = { on: { channel: 'pause:*' }, handler: 'later' }
    const first = await stage.node()
    for (const name of ['pause-a', 'pause-b']) first.jobs.rule(name, rule)
    await first.work()
    await stage.append('pause:1', 'T', 1)
    await settled('pause-b', 'queued')
    await first.close()
    await stage.append('pause:1', 'T', 2)
    await stage.sql`update holdfast.job_rules set seen = seen - 8 * 86400000::bigint`
    const second = await stage.node()
    second.jobs.rule('pause-a', rule)
    await second.work()
    await settled('pause-a', 'queued', 2)
    expect(await stage.deliveries('pause-b')).toHaveLength(2)
    await second.close()
  })
})
