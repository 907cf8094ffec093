import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { writeDelivery } from '../../../test/support/deliveries.ts'
import { type TestLedger, testLedger } from '../../../test/support/ledger.ts'
import { until } from '../../../test/support/until.ts'
import { newEventId } from '../../domain/index.ts'
import { createLogger } from '../../platform/index.ts'
import { startCleaning } from './cleaning.ts'
import type { ParkedFilter } from './delivery.ts'
import { createOperations, type Operations } from './operations.ts'

let db: TestLedger
let operations: Operations['deliveries']
const ids = new Map<string, string>()

beforeAll(async () => {
  db = await testLedger()
  operations = createOperations(db.sql).deliveries
  for (const [channel, count] of [
    ['order:1', 8],
    ['order:2', 3],
    ['$chat:x', 2],
    ['plain', 1],
  ] as const) {
    for (let n = 1; n <= count; n++) {
      const id = newEventId()
      await db.ledgers[0].append({ channel, type: n % 2 ? 'Odd' : 'Even', data: `{"n":${n}.0}`, id })
      ids.set(`${channel} ${n}`, id)
    }
  }
  await db.sql`select holdfast.declare_group('receipts', 'ordered', '{order}', 'beginning')`
  await db.sql`select holdfast.declare_group('mails', 'competing', null, 'beginning')`
})
afterAll(() => db.close())
beforeEach(() => db.sql`truncate holdfast.deliveries, holdfast.acts`)

const park = (consumer: string, channel: string, offset: number, more = {}) =>
  writeDelivery(db.sql, { consumer, channel, offset, ...more })
const rows = () =>
  db.sql<Record<string, unknown>[]>`
    select id, consumer, "offset", state, attempts, due, actor, reason from holdfast.deliveries order by id`
const states = async () => (await rows()).map(row => `${row['offset']} ${row['state']}`)

describe('parked deliveries', () => {
  it('are listed by what is asked, in pages, and counted', async () => {
    const a = await park('group/receipts', 'order:1', 1, { reason: 'No such Account 7', age: 7_200_000 })
    const b = await park('group/mails', 'order:2', 2, { reason: 'smtp: refused' })
    const c = await park('rule/shipping', '$chat:x', 1, { reason: null })
    const d = await park('rule/shipping', 'plain', 1)
    await park('group/receipts', 'order:1', 2, { state: 'waiting' })
    await park('group/receipts', 'order:1', 3, { state: 'done' })
    const list = async (filter: ParkedFilter) =>
      (await operations.list(filter, { limit: 10 })).deliveries.map(({ id }) => id)
    expect(await list({})).toEqual([a, b, c, d])
    expect(await list({ consumer: 'rule/shipping' })).toEqual([c, d])
    expect(await list({ channel: 'order:2' })).toEqual([b])
    expect(await list({ namespace: 'order' })).toEqual([a, b])
    expect(await list({ namespace: 'chat' })).toEqual([c])
    expect(await list({ namespace: '' })).toEqual([d])
    expect(await list({ type: 'Even' })).toEqual([b])
    expect(await list({ reason: 'such account' })).toEqual([a])
    expect(await list({ reason: '%' })).toEqual([])
    expect(await list({ olderThanSeconds: 3_600 })).toEqual([a])
    expect(await list({ newerThanSeconds: 3_600 })).toEqual([b, c, d])
    expect(await list({ consumer: 'rule/shipping', namespace: 'order' })).toEqual([])
    const first = await operations.list({}, { limit: 3 })
    expect([first.count, first.deliveries.length, first.next]).toEqual([4, 3, c])
    const second = await operations.list({}, { limit: 3, after: first.next })
    expect([second.deliveries.map(({ id }) => id), second.next]).toEqual([[d], undefined])
    expect((await operations.preview({ filter: { namespace: 'order' } })).reasons).toHaveLength(2)
  })

  it('are shown with the event byte for byte, with what waits behind, and with what was done to them', async () => {
    const id = await park('group/receipts', 'order:1', 2)
    for (const offset of [3, 4]) await park('group/receipts', 'order:1', offset, { state: 'waiting' })
    await park('group/mails', 'order:1', 5, { state: 'waiting' })
    await operations.redrive({ ids: [id] }, { actor: 'anna' })
    expect(await operations.inspect(id)).toMatchObject({
      delivery: { id, channel: 'order:1', offset: 2, state: 'retrying', actor: 'anna', attempts: 0 },
      event: { type: 'Even', data: '{"n":2.0}', meta: null },
      behind: { count: 2, first: [{ offset: 3 }, { offset: 4 }] },
      acts: [{ actor: 'anna', act: 'redrive', target: `delivery ${id}`, reason: null }],
    })
    expect(await operations.inspect(1e9)).toBeUndefined()
  })

  it('are set free or taken out by id, once, and it is recorded who did it and why', async () => {
    const [group, rule, other] = [
      await park('group/mails', 'order:1', 1),
      await park('rule/shipping', 'order:1', 1),
      await park('rule/shipping', 'order:1', 2),
    ]
    const both = { ids: [group, rule, rule, 999_999] }
    expect(await operations.redrive(both, { actor: 'anna' })).toEqual({ changed: 2, notParked: 1 })
    expect(await operations.redrive(both, { actor: 'ben' })).toEqual({ changed: 0, notParked: 3 })
    await expect(operations.discard({ ids: [other] }, { actor: 'ben', reason: ' ' })).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
    })
    await operations.discard({ ids: [other] }, { actor: 'ben', reason: 'by hand' })
    expect(await rows()).toMatchObject([
      { id: group, state: 'retrying', attempts: 0, due: 0, actor: 'anna', reason: 'broken' },
      { id: rule, state: 'queued', attempts: 0, due: 0, actor: 'anna' },
      { id: other, state: 'discarded', attempts: 3, actor: 'ben', reason: 'by hand' },
    ])
    expect(await db.sql`select actor, act, target, reason from holdfast.acts order by id`).toEqual([
      { actor: 'anna', act: 'redrive', target: `delivery ${group}`, reason: null },
      { actor: 'anna', act: 'redrive', target: `delivery ${rule}`, reason: null },
      { actor: 'ben', act: 'discard', target: `delivery ${other}`, reason: 'by hand' },
    ])
  })

  it('are hit as they were shown: none that was parked since joins them, and one that is parked anew leaves', async () => {
    const filter = { consumer: 'rule/shown', olderThanSeconds: 0 }
    for (let n = 1; n <= 3; n++) await park('rule/shown', 'order:1', n)
    const { at, count, sample } = await operations.preview({ filter })
    expect(count).toBe(3)
    const [one, two] = sample.map(({ id }) => id)
    await db.sql`update holdfast.deliveries set state = 'discarded' where id = ${one ?? 0}`
    await db.sql`update holdfast.deliveries set updated = ${at + 1} where id = ${two ?? 0}`
    await park('rule/shown', 'order:1', 4)
    await db.sql`update holdfast.deliveries set updated = ${at + 1} where consumer = 'rule/shown' and "offset" = 4`
    expect((await operations.preview({ filter, at })).count).toBe(1)
    expect((await operations.preview({ ids: [one ?? 0, two ?? 0], at })).count).toBe(0)
    expect(await operations.discard({ filter, at }, { actor: 'anna', reason: 'seen' })).toEqual({
      ...{ changed: 1, notParked: 0 },
    })
    await db.sql`delete from holdfast.deliveries where consumer = 'rule/shown'`
  })

  it('are decided by the thousand in steps, by two at once, each exactly once', async () => {
    await park('rule/bulk', 'order:1', 1)
    await db.sql`
      insert into holdfast.deliveries (consumer, partition, position, channel, "offset", event_id, event_type, state,
                                       reason, created, updated)
      select 'rule/bulk', 0, 1000 + n, 'order:9', n, gen_random_uuid(), 'T', 'parked', 'down', 1, 1
      from generate_series(1, 1700) as n`
    const filter = { consumer: 'rule/bulk', reason: 'down' }
    const preview = await operations.preview({ filter })
    expect([preview.count, preview.sample.length, preview.reasons]).toEqual([
      1_700,
      5,
      [{ consumer: 'rule/bulk', reason: 'down', count: 1_700 }],
    ])
    const steps: number[] = []
    const [one, two] = await Promise.all([
      operations.redrive({ filter }, { actor: 'anna' }, changed => steps.push(changed)),
      operations.discard({ filter }, { actor: 'ben', reason: 'gone' }, changed => steps.push(changed)),
    ])
    expect(one.changed + two.changed).toBe(1_700)
    expect(Math.max(...steps)).toBeLessThanOrEqual(500)
    const [acts] = await db.sql`select count(*), count(distinct target) as targets from holdfast.acts`
    expect(acts).toEqual({ count: 1_700, targets: 1_700 })
    expect((await operations.preview({ filter: {} })).count).toBe(1)
  })

  it('that are parked anew while many are set free are left alone', async () => {
    for (let n = 1; n <= 3; n++) await park('rule/again', 'order:1', n)
    const filter = { consumer: 'rule/again' }
    let steps = 0
    const result = await operations.redrive({ filter }, { actor: 'anna' }, () => {
      steps++
      void db.sql`update holdfast.deliveries set state = 'parked'`.execute()
    })
    expect([result.changed, steps]).toEqual([3, 1])
  })

  it('of a channel are set free in its order: the first, and the others follow', async () => {
    for (const offset of [2, 3]) await park('group/receipts', 'order:1', offset)
    await park('group/receipts', 'order:1', 4, { state: 'waiting' })
    await park('group/receipts', 'order:1', 5)
    await park('group/receipts', 'order:2', 1)
    expect(await operations.redriveChannel('order:1', { actor: 'anna' })).toEqual({ changed: 3 })
    expect(await states()).toEqual(['2 retrying', '3 waiting', '4 waiting', '5 waiting', '1 parked'])
    expect((await db.sql`select count(*) from holdfast.acts`)[0]).toEqual({ count: 3 })
  })

  it('of a channel behind one that is being retried wait for it; those without an order need not', async () => {
    await park('group/receipts', 'order:1', 2, { state: 'retrying' })
    await park('group/receipts', 'order:1', 3)
    for (const offset of [2, 3]) await park('group/mails', 'order:1', offset)
    await park('rule/shipping', 'order:1', 4)
    await operations.redriveChannel('order:1', { actor: 'anna' })
    expect(await states()).toEqual(['2 retrying', '3 waiting', '2 retrying', '3 retrying', '4 queued'])
    const only = await park('group/mails', 'order:1', 5)
    await park('group/receipts', 'order:1', 5)
    await operations.redriveChannel('order:1', { actor: 'anna', consumer: 'group/mails' })
    expect(await rows()).toContainEqual(expect.objectContaining({ id: only, state: 'retrying' }))
    expect((await states()).filter(state => state === '5 parked')).toHaveLength(1)
  })
})

describe('what has become of an event', () => {
  const stateOf = async (event: Parameters<typeof operations.ofEvent>[0]) => {
    const [story] = await operations.ofEvent(event)
    return Object.fromEntries(story?.consumers.map(({ consumer, state }) => [consumer, state]) ?? [])
  }

  it('is told of every group of its namespace and every rule with a delivery', async () => {
    const at = { channel: 'order:1', offset: 3 }
    const partition = db.ledgers[0].partitionOf('order:1')
    expect(await stateOf(at)).toEqual({ 'group/receipts': 'pending', 'group/mails': 'pending' })
    expect(await stateOf({ channel: 'plain', offset: 1 })).toEqual({ 'group/mails': 'pending' })
    await db.sql`
      update holdfast.group_partitions set position = 3 where "group" = 'receipts' and partition = ${partition}`
    await db.sql`insert into holdfast.group_settled values ('mails', ${partition}, 3)`
    const id = await park('rule/shipping', 'order:1', 3, { state: 'queued' })
    expect(await stateOf(at)).toEqual({
      'group/receipts': 'settled',
      'group/mails': 'settled',
      'rule/shipping': 'queued',
    })
    await park('group/receipts', 'order:1', 3)
    await db.sql`delete from holdfast.group_settled`
    await db.sql`update holdfast.groups set paused = true where name = 'mails'`
    const [story] = await operations.ofEvent({ id: ids.get('order:1 3') ?? '' })
    expect(story).toMatchObject({
      ...at,
      partition,
      position: 3,
      type: 'Odd',
      ledger: 'recorded',
      consumers: [
        { consumer: 'group/mails', state: 'paused', delivery: null },
        { consumer: 'group/receipts', state: 'parked', reason: 'broken', attempts: 3 },
        { consumer: 'rule/shipping', state: 'queued', delivery: id },
      ],
    })
    expect(Math.abs((story?.recorded ?? 0) - Date.now())).toBeLessThan(600_000)
    await db.sql`update holdfast.groups set paused = false`
    await db.sql`update holdfast.group_partitions set position = 0`
  })

  it('is told in SQL, by id and by place, with one row where nobody cares', async () => {
    await db.sql`delete from holdfast.groups where name = 'receipts'`
    await db.sql`delete from holdfast.groups where name = 'mails'`
    const byPlace = await db.sql`select * from holdfast.event_story('order:2', 1)`
    expect(byPlace).toMatchObject([{ channel: 'order:2', ledger: 'recorded', consumer: null, state: null }])
    expect(await db.sql`select * from holdfast.event_story(${ids.get('order:2 1') ?? ''}::uuid)`).toEqual(
      byPlace,
    )
  })

  it('is told after retention: removed, with what is left of its deliveries; and what never was is not', async () => {
    const { epoch } = db.ledgers[0]
    const partition = db.ledgers[0].partitionOf('order:2')
    await park('rule/shipping', 'order:2', 1, { state: 'done' })
    await db.sql`select holdfast.remove_events(${epoch}, ${partition}, 'order:2', 2)`
    expect(await operations.ofEvent({ channel: 'order:2', offset: 1 })).toMatchObject([
      {
        ledger: 'removed',
        eventId: ids.get('order:2 1'),
        consumers: [{ consumer: 'rule/shipping', state: 'done' }],
      },
    ])
    expect(await operations.ofEvent({ id: ids.get('order:2 1') ?? '' })).toMatchObject([
      { ledger: 'removed' },
    ])
    expect(await operations.ofEvent({ channel: 'order:2', offset: 2 })).toMatchObject([
      { ledger: 'removed', eventId: null, recorded: null, consumers: [] },
    ])
    expect(await operations.ofEvent({ channel: 'order:2', offset: 4 })).toEqual([])
    expect(await operations.ofEvent({ channel: 'order:none', offset: 1 })).toEqual([])
    expect(await operations.ofEvent({ id: newEventId() })).toEqual([])
  })
})

it('rows of ended deliveries are removed when they are old enough, and no open one ever', async () => {
  await db.sql`
    insert into holdfast.deliveries (consumer, partition, position, channel, "offset", event_id, event_type, state,
                                     created, updated)
    select 'rule/old', 0, n, 'order:9', n, gen_random_uuid(), 'T',
           (array['done', 'discarded', 'parked', 'queued', 'retrying', 'waiting'])[1 + n % 6], 1, 1
    from generate_series(1, 2400) as n`
  const young = await park('rule/shipping', 'order:1', 1, { state: 'done' })
  const late = await park('rule/shipping', 'order:1', 2, { state: 'done', age: 7_200_000 })
  await db.sql`update holdfast.deliveries set updated = created + 7200000 where id = ${late}`
  const options = { sql: db.sql, keepSeconds: 3_600, intervalMs: 10, logger: createLogger('silent') }
  const loops = [startCleaning(options), startCleaning(options)]
  await until('1,600 are left', async () => (await rows()).length <= 1_602)
  await Promise.all(loops.map(loop => loop.stop()))
  const left = await rows()
  expect(left).toHaveLength(1_602)
  expect(left.slice(0, -2).filter(({ state }) => state === 'done' || state === 'discarded')).toEqual([])
  expect(left.slice(-2).map(({ id }) => id)).toEqual([young, late])
})

it('what a rule has put into an application’s queue is known for as long as a job of it may be there', async () => {
  await db.sql`delete from holdfast.deliveries`
  for (const [name, target] of [
    ['mails', 'queue'],
    ['hooks', 'webhook'],
  ] as const) {
    await db.sql`
      insert into holdfast.job_rules (name, starts, epoch, created, definition, seen)
      values (${name}, '{}', 'e', 0, ${JSON.stringify({ target })}, 0)`
    for (const days of [6, 8])
      await park(`rule/${name}`, 'order:1', days, { state: 'done', age: days * 86_400_000 })
  }
  const loop = startCleaning({
    sql: db.sql,
    keepSeconds: 3_600,
    intervalMs: 10,
    logger: createLogger('silent'),
  })
  const left = () =>
    db.sql<{ consumer: string; offset: number }[]>`select consumer, "offset" from holdfast.deliveries`
  await until('one is left', async () => (await left()).length === 1)
  await loop.stop()
  expect(await left()).toEqual([{ consumer: 'rule/mails', offset: 6 }])
})
