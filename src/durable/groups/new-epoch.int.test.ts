import { afterEach, beforeEach, expect, test } from 'vitest'
import { type TestLedger, testLedger } from '../../../test/support/ledger.ts'
import { newEventId } from '../../domain/index.ts'

let database: TestLedger
beforeEach(async () => {
  database = await testLedger()
})
afterEach(() => database.close())

const channel = 'order:7'

async function append(count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    await database.ledgers[0].append({ channel, type: 'T', data: '{}', id: newEventId() })
  }
}

test('a group that stood further than a ledger which has lost events takes what is recorded next for new', async () => {
  const { sql } = database
  const partition = database.ledgers[0].partitionOf(channel)
  await append(3)
  await sql`select holdfast.declare_group('receipts', 'competing', null, 'beginning')`
  // A failover that lost two events, but not what was settled of them.
  await sql`update holdfast.group_partitions set position = 4 where partition = ${partition}`
  await sql`insert into holdfast.group_settled ("group", partition, position) values ('receipts', ${partition}, 5)`
  await sql`
    insert into holdfast.deliveries
      (consumer, partition, position, channel, "offset", event_id, event_type, state, created, updated)
    select consumer, ${partition}, position, ${channel}, position, ${newEventId()}::uuid, 'T', 'parked', 0, 0
    from (values ('group/receipts', 2), ('group/receipts', 5), ('rule/mail', 4)) as d (consumer, position)`
  const [row] = await sql<{ epoch: string }[]>`select holdfast.new_epoch() as epoch`
  // Before any worker has heard of it.
  await append(2)
  const [place] = await sql`
    select position, epoch from holdfast.group_partitions where "group" = 'receipts' and partition = ${partition}`
  expect(place).toEqual({ position: 3, epoch: row?.epoch })
  expect(await sql`select position from holdfast.group_settled`).toEqual([])
  expect(await sql`select consumer, position from holdfast.deliveries`).toEqual([
    { consumer: 'group/receipts', position: 2 },
  ])
  const [head] = await sql`select holdfast.partition_head(${partition}) as head`
  expect(head).toEqual({ head: 5 })
})

test('a new epoch, for which all appends wait, goes over none of what was owed or settled below the heads', async () => {
  const { sql } = database
  const partition = database.ledgers[0].partitionOf(channel)
  await append(1)
  await sql`select holdfast.declare_group('receipts', 'competing', null, 'now')`
  await sql.begin(async tx => {
    await tx`select set_config('holdfast.acting', 'remove_events', true)`
    await tx`
      insert into holdfast.partition_floor (partition, head) values (${partition}, 1000)
      on conflict (partition) do update set head = excluded.head`
  })
  await sql`
    insert into holdfast.deliveries
      (consumer, partition, position, channel, "offset", event_id, event_type, state, created, updated)
    select c, ${partition}, n, ${channel}, n, gen_random_uuid(), 'T', 'done', 0, 0
    from generate_series(1, 1005) as n,
         unnest(array['group/receipts', 'group/was', 'rule/a', 'rule/b', 'rule/c']) as c`
  await sql`
    insert into holdfast.group_settled ("group", partition, position)
    select 'receipts', ${partition}, n from generate_series(5, 1005) as n`
  await sql`analyze holdfast.deliveries, holdfast.group_settled`
  const read = await sql.begin(async tx => {
    await tx`select holdfast.new_epoch()`
    return tx<{ relname: string; rows: number }[]>`
      select relname, seq_tup_read + coalesce(idx_tup_fetch, 0) as rows from pg_stat_xact_user_tables
      where relname in ('deliveries', 'group_settled') order by relname`
  })
  expect(read.map(({ relname }) => relname)).toEqual(['deliveries', 'group_settled'])
  for (const { rows } of read) expect(rows).toBeLessThan(100)
  const [left] = await sql`
    select count(*)::int as deliveries, max(position)::int as last,
           (select max(position)::int from holdfast.group_settled) as settled
    from holdfast.deliveries`
  expect(left).toEqual({ deliveries: 5_000, last: 1_000, settled: 1_000 })
})
