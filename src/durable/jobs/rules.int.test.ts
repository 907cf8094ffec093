import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type JobsStage, jobsStage, type StageNode } from '../../../test/support/jobs-stage.ts'
import { until } from '../../../test/support/until.ts'
import { done, park, retry } from '../groups/outcome.ts'
import { createOperations } from '../operations/operations.ts'

let stage: JobsStage
beforeAll(async () => {
  stage = await jobsStage()
  await stage.table('effects (name text not null, number int not null)')
})
afterAll(() => stage.close())

const settled: JobsStage['settled'] = (rule, state, count) => stage.settled(rule, state, count)

describe('a rule', () => {
  it('applies to what is recorded after it was first seen, by channel and type, once', async () => {
    const node = await stage.node()
    const seen: unknown[] = []
    node.jobs.handler('see', (event, { attempt }) => {
      seen.push([event.channel, event.type, event.params, event.data, attempt])
    })
    node.jobs.rule('first', { on: { channel: 'order:{id}', type: ['Placed', 'Paid'] }, handler: 'see' })
    await stage.append('order:before', 'Placed', 0)
    await node.work()
    await stage.append('order:a', 'Placed', { lines: 1 })
    await stage.append('order:a', 'Ignored', 0)
    await stage.append('other:a', 'Placed', 0)
    const id = await stage.append('order:b', 'Paid', 2)
    const rows = await settled('first', 'done', 2)
    expect(rows.map(row => row.attempts)).toEqual([1, 1])
    expect(rows.map(row => row.eventId)).toContain(id)
    expect(seen.sort()).toEqual([
      ['order:a', 'Placed', { id: 'a' }, { lines: 1 }, 1],
      ['order:b', 'Paid', { id: 'b' }, 2, 1],
    ])
    // A second process with the same rule begins where the first one was, not anew.
    const again = await stage.node()
    again.jobs.handler('see', () => undefined)
    again.jobs.rule('first', { on: { channel: 'order:{id}', type: ['Placed', 'Paid'] }, handler: 'see' })
    await again.work()
    await stage.append('order:c', 'Paid', 3)
    await settled('first', 'done', 3)
    await Promise.all([node.close(), again.close()])
  })

  it('that is declared while events stream in misses none that comes after, and takes none that came before', async () => {
    const node = await stage.node()
    node.jobs.handler('see', () => undefined)
    node.jobs.rule('early', { on: { channel: 'stream:*' }, handler: 'see' })
    await node.work()
    const ids: string[] = []
    const marks: number[] = []
    const names = ['late-0', 'late-1', 'late-2']
    const others: StageNode[] = []
    for (const name of names) {
      for (let n = 0; n < 15; n++) ids.push(await stage.append(`stream:${n}`, 'T', n))
      const other = await stage.node()
      other.jobs.handler('see', () => undefined)
      other.jobs.rule(name, { on: { channel: 'stream:*' }, handler: 'see' })
      const streaming = (async () => {
        for (let n = 0; n < 15; n++) ids.push(await stage.append(`stream:${n}`, 'T', n))
      })()
      await other.work()
      others.push(other)
      marks.push(ids.length)
      await streaming
    }
    for (let n = 0; n < 5; n++) ids.push(await stage.append(`stream:${n}`, 'T', n))
    await settled('early', 'done', ids.length)
    for (const [i, name] of names.entries()) {
      const owed = await until(`${name} is done`, async () => {
        const rows = await stage.deliveries(name)
        const after = ids.slice(marks[i])
        const got = new Set(rows.filter(row => row.state === 'done').map(row => row.eventId))
        return after.every(id => got.has(id)) ? rows : undefined
      })
      const first = ids.slice(0, 15 + i * 30)
      expect(owed.filter(row => first.includes(row.eventId))).toEqual([])
    }
    await Promise.all([node, ...others].map(each => each.close()))
  })

  it('is refused where it is declared twice, and a handler, too', async () => {
    const node = await stage.node()
    node.jobs.handler('once', () => undefined)
    expect(() => node.jobs.handler('once', () => undefined)).toThrow(/twice/)
    node.jobs.rule('once', { on: { channel: '*' }, handler: 'once' })
    expect(() => node.jobs.rule('once', { on: { channel: '*' }, handler: 'once' })).toThrow(/twice/)
    expect(() => node.jobs.rule('Not Legal', { on: { channel: '*' }, handler: 'once' })).toThrow(/expected/)
    await node.close()
  })

  it('whose handler comes later waits for it', async () => {
    const node = await stage.node()
    node.jobs.rule('patient', { on: { channel: 'patient:*' }, handler: 'late' })
    await node.work()
    await stage.append('patient:1', 'T', 1)
    await settled('patient', 'queued')
    node.jobs.handler('late', () => done())
    await settled('patient', 'done')
    // And one that comes while the process is at work begins at once.
    node.jobs.rule('patient-too', { on: { channel: 'patient:*' }, handler: 'late' })
    await until('the rule is known', async () => {
      await stage.append('patient:2', 'T', 1)
      return (await stage.deliveries('patient-too')).some(row => row.state === 'done')
    })
    await node.close()
  })
})

describe('the end of a handler', () => {
  it('is done, retry, park, an error, or a time that is over', async () => {
    const node = await stage.node()
    const { deliveries } = createOperations(stage.sql)
    let fixed = false
    const attempts = new Map<string, number[]>()
    node.jobs.handler('end', async ({ channel, data }, { tx, attempt, signal, heartbeat }) => {
      const name = channel.slice('end:'.length)
      attempts.set(name, [...(attempts.get(name) ?? []), attempt])
      await tx`insert into effects values (${name}, ${Number(data)})`
      if (fixed || (attempt > 1 && name !== 'throw' && name !== 'broken')) return done()
      switch (name) {
        case 'retry':
          return retry(50, 'not yet')
        case 'park':
          return park('nobody can do this')
        case 'throw':
          throw new Error('kaputt')
        case 'late':
          return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        case 'alive':
          for (let n = 0; n < 4; n++) {
            await new Promise(resolve => setTimeout(resolve, 150))
            await heartbeat()
          }
          return done()
        case 'broken':
          await tx`select 1 / 0`.catch(() => undefined)
          return done()
        default:
          return done()
      }
    })
    node.jobs.rule('end', {
      on: { channel: 'end:{name}' },
      handler: 'end',
      attempts: 3,
      backoffMs: { first: 20, most: 50 },
      handlerTimeoutMs: 400,
    })
    await node.work()
    const names = ['done', 'retry', 'park', 'throw', 'late', 'alive', 'broken']
    for (const [number, name] of names.entries()) await stage.append(`end:${name}`, 'T', number)
    await settled('end', 'done', 4)
    const parked = await settled('end', 'parked', 3)
    expect(parked.map(({ attempts, reason }) => [attempts, reason]).sort()).toEqual([
      [1, 'nobody can do this'],
      [3, 'division by zero (attempt 3)'],
      [3, 'kaputt (attempt 3)'],
    ])
    expect(Object.fromEntries(attempts)).toEqual({
      done: [1],
      retry: [1, 2],
      park: [1],
      throw: [1, 2, 3],
      late: [1, 2],
      alive: [1],
      broken: [1, 2, 3],
    })
    // Exactly what ended in done is there, once.
    const effects = () => stage.sql<{ name: string }[]>`select name from effects order by name`
    expect((await effects()).map(({ name }) => name)).toEqual(['alive', 'done', 'late', 'retry'])

    fixed = true
    const selection = { ids: parked.map(({ id }) => id) }
    await deliveries.redrive(selection, { actor: 'test' })
    await settled('end', 'done', 7)
    expect((await effects()).length).toBe(7)
    expect(attempts.get('throw')).toEqual([1, 2, 3, 1])
    const count = (outcome: string) =>
      node.jobs.status().deliveries.find(each => each.name === 'end' && each.outcome === outcome)?.count
    await until('they are counted', () => count('done') === 7 && count('parked') === 3)
    // More where one of them was slow to be seen as taken.
    await until('it is counted', () => (count('requeued') ?? 0) >= 3)
    await node.close()
  })

  it('is not that of an event which was erased before its turn', async () => {
    const node = await stage.node()
    node.jobs.handler('erased', () => retry(300, 'later'))
    node.jobs.rule('erased', { on: { channel: 'erase:*' }, handler: 'erased' })
    await node.work()
    await stage.append('erase:me', 'T', 'secret')
    await until('it was tried', async () => (await stage.deliveries('erased'))[0]?.attempts === 1)
    const { ledger } = node.tier.log
    await stage.sql`
      select * from holdfast.erase_event(${ledger.epoch}, ${ledger.partitionOf('erase:me')}, 'erase:me', 1, 'test', 'test')`
    const [row] = await settled('erased', 'discarded')
    expect(row?.reason).toMatch(/not in the ledger any more/)
    await node.close()
  })
})
