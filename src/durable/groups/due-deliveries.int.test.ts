import { afterAll, beforeAll, expect, it } from 'vitest'
import { type TestLedger, testLedger } from '../../../test/support/ledger.ts'
import { newEventId } from '../../domain/index.ts'
import type { Sql } from '../../platform/index.ts'
import { dueDeliveries } from './competing-due.ts'

let db: TestLedger
beforeAll(async () => {
  db = await testLedger()
})
afterAll(() => db?.close())

it('are found without going over what is parked, or not due yet', async () => {
  const { sql } = db
  await sql`
    insert into holdfast.deliveries
      (consumer, partition, position, channel, "offset", event_id, event_type, state, due, created, updated)
    select 'group/g', n % 64, n, 'a:1', n, gen_random_uuid(), 'T', state, due, 0, 0
    from generate_series(1, 4000) as n,
         lateral (select case when n % 2 = 0 then 'parked' else 'retrying' end,
                         case when n % 2 = 0 or n % 1000 = 999 then 0 else 9e15 end) as how (state, due)`
  await sql`analyze holdfast.deliveries`
  const counted = await sql.begin(async tx => {
    // As the connections for groups are.
    await tx`select set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)`
    const due = await dueDeliveries({ run: async work => work(tx as unknown as Sql) }, 'g', 10)
    const [row] = await tx<{ rows: number }[]>`
      select seq_tup_read + idx_tup_fetch as rows from pg_stat_xact_user_tables where relname = 'deliveries'`
    return { due: due.map(({ position }) => position).sort((a, b) => a - b), rows: row?.rows }
  })
  expect(counted.due).toEqual([999, 1_999, 2_999, 3_999])
  expect(counted.rows).toBeLessThan(50)
})

it('are read a bounded amount of data at a time', async () => {
  const { sql, ledgers } = db
  const channel = 'a:1'
  const partition = ledgers[0].partitionOf(channel)
  const data = JSON.stringify('x'.repeat(5_000_000))
  for (let n = 0; n < 6; n++) await ledgers[0].append({ channel, type: 'T', data, id: newEventId() })
  await sql`
    insert into holdfast.deliveries
      (consumer, partition, position, channel, "offset", event_id, event_type, state, due, created, updated)
    select 'group/large', ${partition}, n, ${channel}, n, gen_random_uuid(), 'T', 'retrying', n, 0, 0
    from generate_series(1, 7) as n`
  const next = async () => {
    const due = await dueDeliveries({ run: async work => work(sql) }, 'large', 10)
    return due.map(({ position, event }) => [position, event?.data.length])
  }
  const { length } = data
  expect(await next()).toEqual([1, 2, 3, 4].map(position => [position, length]))
  await sql`delete from holdfast.deliveries where consumer = 'group/large' and position <= 4`
  expect(await next()).toEqual([
    [5, length],
    [6, length],
    [7, undefined],
  ])
})

it('are settled by functions that keep no plan made for a table that was empty', async () => {
  const settled = [
    'move_checkpoint',
    'end_deliveries',
    'owe_again',
    'end_job',
    'take_positions',
    'raise_floor',
  ]
  const rows = await db.sql<{ name: string }[]>`
    select proname as name from pg_proc
    where pronamespace = 'holdfast'::regnamespace
      and proconfig @> '{plan_cache_mode=force_generic_plan,enable_seqscan=off,enable_bitmapscan=off,jit=off}'`
  expect(rows.map(({ name }) => name)).toEqual(expect.arrayContaining(settled))
})
