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
