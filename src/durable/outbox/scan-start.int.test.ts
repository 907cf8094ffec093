import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type TestLedger, testLedger } from '../../../test/support/ledger.ts'
import { connectPostgres, type Sql, type Transaction } from '../../platform/index.ts'
import { type OutboxRow, readVisible } from './outbox-rows.ts'
import { ScanStart } from './scan-start.ts'

let db: TestLedger
let app: Sql
let start: ScanStart
let now = 0

beforeAll(async () => {
  db = await testLedger()
  app = connectPostgres(db.url, { max: 3, applicationName: 'holdfast-test' })
})
afterEach(async () => {
  await db.sql`delete from holdfast.outbox`
})
afterAll(async () => {
  await app.end()
  await db.close()
})

/** As the relay does: reads, takes what is there, and comes back after a second. */
async function turn(options: { leave?: boolean } = {}): Promise<{ from: number; rows: OutboxRow[] }> {
  now += 1_000
  const from = await start.from(db.sql, now)
  const rows = await readVisible(db.sql, from)
  start.saw(rows)
  if (!options.leave) for (const { id } of rows) await db.sql`delete from holdfast.outbox where id = ${id}`
  return { from, rows }
}
const publish = async (sql: Sql | Transaction, data: string) => {
  await sql`select holdfast_publish('order:1', 'T', to_json(${data}::text))`
}
const datas = async (options?: { leave?: boolean }) =>
  (await turn(options)).rows.map(row => JSON.parse(row.data))

test('it moves past what is gone, when nobody can add to that any more', async () => {
  start = new ScanStart()
  for (let n = 1; n <= 3; n++) await publish(app, String(n))
  const { from, rows } = await turn()
  expect([from, rows.length]).toEqual([0, 3])
  await turn()
  expect((await turn()).from).toBe((rows.at(-1)?.id ?? 0) + 1)
  await publish(app, '4')
  expect(await datas()).toEqual(['4'])
})

test('it stays before an id that an open transaction has taken, and finds it when it is committed', async () => {
  start = new ScanStart()
  await app.begin(async open => {
    await publish(open, 'late')
    await publish(app, 'early')
    expect(await datas()).toEqual(['early'])
    for (let n = 0; n < 5; n++) {
      await publish(app, String(n))
      expect(await datas()).toEqual([String(n)])
    }
  })
  expect(await datas()).toEqual(['late'])
  const stayed = (await turn()).from
  expect((await turn()).from).toBeGreaterThanOrEqual(stayed)
  await publish(app, 'last')
  expect(await datas()).toEqual(['last'])
})

test('it finds what is committed between two looks at the writers', async () => {
  start = new ScanStart()
  const commit = Promise.withResolvers<void>()
  const open = app.begin(async tx => {
    await publish(tx, 'late')
    await publish(app, 'early')
    await turn()
    await turn()
    await commit.promise
  })
  commit.resolve()
  await open
  // By this look all writers have ended, and a read from further on would pass over the row.
  now += 1_000
  expect(await start.from(db.sql, now)).toBe(0)
  const rows = await readVisible(db.sql, 0)
  start.saw(rows)
  expect(rows.map(row => row.data)).toEqual(['"late"'])
})

test('it waits for rows that were left', async () => {
  start = new ScanStart()
  await publish(app, 'held')
  for (let n = 0; n < 4; n++) expect(await datas({ leave: true })).toEqual(['held'])
  expect(await datas()).toEqual(['held'])
})

test('it reads the whole now and then, for what a person has changed by hand', async () => {
  start = new ScanStart()
  await db.sql`insert into holdfast.outbox (channel, type, data, event_id, refused)
    values ('order:1', 'T', '"by hand"', gen_random_uuid(), 'no')`
  await publish(app, '1')
  for (let n = 0; n < 4; n++) await turn()
  expect((await turn()).from).toBeGreaterThan(0)
  await db.sql`update holdfast.outbox set refused = null`
  expect(await datas()).toEqual([])
  now += 60_000
  expect(await datas()).toEqual(['by hand'])
})
