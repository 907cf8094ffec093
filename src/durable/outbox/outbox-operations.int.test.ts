import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type TestLedger, testLedger } from '../../../test/support/ledger.ts'
import { newEventId } from '../../domain/index.ts'
import { type OutboxOperations, outboxOperations } from './outbox-operations.ts'

let db: TestLedger
let operations: OutboxOperations

beforeAll(async () => {
  db = await testLedger()
  operations = outboxOperations(db.sql)
})
afterAll(() => db.close())
beforeEach(async () => {
  await db.sql`truncate holdfast.outbox, holdfast.acts`
})

async function write(count: number, refused: string | null, channel = 'order:1'): Promise<number[]> {
  const rows = await db.sql<{ id: number }[]>`
    insert into holdfast.outbox (channel, type, data, event_id, created, refused)
    select ${channel}, 'T' || n, n::text, gen_random_uuid(), now() - interval '90 s', ${refused}
    from generate_series(1, ${count}::int) as n returning id`
  return rows.map(row => row.id)
}
const there = () =>
  db.sql<{ id: number; type: string; refused: string | null }[]>`
    select id, type, refused from holdfast.outbox order by id`
const acts = () => db.sql`select actor, act, target, reason from holdfast.acts order by id`

test('the status counts what waits and what is refused', async () => {
  expect(await operations.status()).toEqual({ waiting: 0, oldestSeconds: 0, refused: 0 })
  await write(2, 'no')
  expect(await operations.status()).toEqual({ waiting: 0, oldestSeconds: 0, refused: 2 })
  await write(3, null)
  const { oldestSeconds, ...counts } = await operations.status()
  expect(counts).toEqual({ waiting: 3, refused: 2 })
  expect(oldestSeconds).toBeGreaterThan(89)
  expect(oldestSeconds).toBeLessThan(150)
})

test('what is refused is listed page by page, with why, and the beginning of its data', async () => {
  await write(1, null)
  const ids = await write(3, 'the namespace "x" is not declared')
  await db.sql`update holdfast.outbox set data = to_json(repeat('é', 5000)) where id = ${ids[2] ?? 0}`
  const first = await operations.refused({ limit: 2 })
  expect(first).toMatchObject([
    {
      id: ids[0],
      channel: 'order:1',
      type: 'T1',
      bytes: 1,
      data: '1',
      reason: 'the namespace "x" is not declared',
    },
    { id: ids[1] },
  ])
  expect(Date.now() - (first[0]?.created ?? 0)).toBeGreaterThan(89_000)
  const [last, ...more] = await operations.refused({ limit: 2, after: first.at(-1)?.id })
  expect(more).toEqual([])
  expect(last).toMatchObject({ id: ids[2], bytes: 10_002, data: `"${'é'.repeat(1_999)}` })
})

test('retried rows go to the end, in their order, and who did it is recorded', async () => {
  const ids = await write(4, 'no')
  const [waiting] = await write(1, null, 'order:2')
  const [first, second] = await operations.refused({ limit: 2 })
  const chosen = [ids[1] ?? 0, ids[0] ?? 0, waiting ?? 0, 99_999]
  expect(await operations.retry(chosen, { actor: 'anna', reason: 'declared now' })).toBe(2)
  expect((await there()).map(row => `${row.type} ${row.refused}`)).toEqual([
    'T3 no',
    'T4 no',
    'T1 null',
    'T1 null',
    'T2 null',
  ])
  expect((await there()).map(row => row.id)).toEqual([
    ids[2],
    ids[3],
    waiting,
    (waiting ?? 0) + 1,
    (waiting ?? 0) + 2,
  ])
  expect(await acts()).toEqual([
    { actor: 'anna', act: 'retry_outbox', target: `T1 ${first?.eventId} in order:1`, reason: 'declared now' },
    {
      actor: 'anna',
      act: 'retry_outbox',
      target: `T2 ${second?.eventId} in order:1`,
      reason: 'declared now',
    },
  ])
  expect((await operations.status()).oldestSeconds).toBeGreaterThan(89)
})

test('all of them are taken in parts, but not what is refused after the beginning', async () => {
  await write(2_500, 'no')
  const steps: number[] = []
  const step = (rows: number) => steps.push(rows)
  expect(await operations.retry('all', { actor: 'anna', step })).toBe(2_500)
  expect(steps).toEqual([1_000, 1_000, 500])
  await db.sql`update holdfast.outbox set refused = 'no'`
  const late: Promise<number[]>[] = []
  const discarded = await operations.discard('all', {
    actor: 'ben',
    reason: 'a load test',
    step: () => late.push(write(1, 'later')),
  })
  await Promise.all(late)
  expect(discarded).toBe(2_500)
  expect((await there()).every(row => row.refused === 'later')).toBe(true)
  const [counted] = await db.sql`
    select count(*) filter (where act = 'retry_outbox') as retried, count(*) filter (where act = 'discard_outbox'
    and reason = 'a load test' and actor = 'ben') as discarded from holdfast.acts`
  expect(counted).toEqual({ retried: 2_500, discarded: 2_500 })
})

test('what waits for the relay is neither retried nor discarded', async () => {
  const ids = await write(2, null)
  expect(await operations.retry(ids, { actor: 'anna' })).toBe(0)
  expect(await operations.discard(ids, { actor: 'anna', reason: 'x' })).toBe(0)
  expect(await operations.discard('all', { actor: 'anna', reason: 'x' })).toBe(0)
  expect(await operations.retry([], { actor: 'anna' })).toBe(0)
  expect((await there()).map(row => row.id)).toEqual(ids)
  expect(await acts()).toEqual([])
})

test('an act that cannot be recorded is not done', async () => {
  const [id] = await write(1, 'no')
  await db.sql`alter table holdfast.acts add constraint nobody check (actor <> 'nobody')`
  await expect(operations.discard('all', { actor: 'nobody', reason: newEventId() })).rejects.toMatchObject({
    code: '23514',
  })
  await db.sql`alter table holdfast.acts drop constraint nobody`
  expect((await there()).map(row => row.id)).toEqual([id])
})
