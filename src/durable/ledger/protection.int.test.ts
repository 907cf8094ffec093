import { afterAll, beforeAll, expect, test } from 'vitest'
import { writeDelivery } from '../../../test/support/deliveries.ts'
import { type TestLedger, testLedger } from '../../../test/support/ledger.ts'
import { newEventId } from '../../domain/index.ts'
import { connectPostgres, type Sql } from '../../platform/index.ts'
import { pendingMigrations } from '../migrate.ts'
import { createOperations } from '../operations/operations.ts'
import { createPostgresLedger } from './postgres-ledger.ts'

let db: TestLedger
let runtime: Sql
const login = `node_${newEventId().replaceAll('-', '')}`

beforeAll(async () => {
  db = await testLedger()
  await db.ledgers[0].append({ channel: 'order:1', type: 'T', data: '1', id: newEventId() })
  await db.sql.unsafe(`create role ${login} login password 'secret' in role holdfast_runtime`)
  runtime = connectPostgres(runtimeUrl(), { max: 1, applicationName: 'holdfast-test' })
})
afterAll(async () => {
  await runtime.end()
  await db.sql.unsafe(`drop role ${login}`)
  await db.close()
})

function runtimeUrl(): string {
  const url = new URL(db.url)
  url.username = login
  url.password = 'secret'
  return url.href
}

const attacks = [
  `insert into holdfast.events select partition, position + 1, channel, "offset" + 1, gen_random_uuid(), type, data, meta, time from holdfast.events`,
  `update holdfast.events set data = '2'`,
  'delete from holdfast.events',
  'truncate holdfast.events',
  'drop table holdfast.events',
  'alter table holdfast.events disable trigger all',
  'alter table holdfast.events add column x int',
  `update holdfast.ledger set epoch = 'mine'`,
  'delete from holdfast.ledger',
  `insert into holdfast.ledger (epoch, partitions, singleton) values ('x', 1, false)`,
  `insert into holdfast.channel_floor values (0, 'order:1', 9, 9)`,
  'insert into holdfast.partition_floor values (0, 99)',
  'truncate holdfast.channel_floor, holdfast.partition_floor, holdfast.ledger',
]

test.each([
  ...attacks,
  'select holdfast.new_epoch()',
  `select holdfast.append_carefully('{0}', '{a}', '{00000000-0000-0000-0000-000000000000}', '{T}', '{1}', '{1}', '{null}', 1)`,
  `create or replace function holdfast.refuse_change() returns trigger language plpgsql as 'begin return new; end'`,
  'set session_replication_role = replica',
  `set holdfast.acting = 'remove_events'; delete from holdfast.events`,
  `set holdfast.acting = 'append'; insert into holdfast.events select * from holdfast.events`,
  `set holdfast.acting = 'erase_event'; update holdfast.events set data = 'null', type = 'holdfast.erased'`,
  `create function holdfast.mine() returns int language sql as 'select 1'`,
  `create or replace function holdfast.needed_by(p_partition int, p_channel text)
     returns table (holder text, "position" bigint, "offset" bigint, since bigint) language sql as 'select null, null, null, null where false'`,
  `insert into holdfast.erasures (partition, channel, "offset", position, event_id, epoch, time) values (0, 'a', 1, 1, gen_random_uuid(), 'e', 1)`,
  'delete from holdfast.erasures',
  `update holdfast.erasures set channel = 'mine'`,
  'truncate holdfast.erasures',
  `update holdfast.acts set actor = 'nobody'`,
  'delete from holdfast.acts',
  'truncate holdfast.acts',
  'set role postgres',
])('the runtime role cannot: %s', async attack => {
  await expect(runtime.unsafe(attack)).rejects.toMatchObject({
    code: expect.stringMatching(/^(42501|HF003)$/),
  })
  expect(await db.sql`select data, "offset" from holdfast.events`).toEqual([{ data: '1', offset: 1 }])
})

test.each(attacks.filter(attack => !/^(drop|alter)/.test(attack)))(
  'the owner is stopped as well: %s',
  async attack => {
    await expect(db.sql.unsafe(attack)).rejects.toMatchObject({ code: 'HF003' })
    expect(await db.sql`select data, "offset" from holdfast.events`).toEqual([{ data: '1', offset: 1 }])
  },
)

test('the runtime role can do what a node does', async () => {
  expect(await pendingMigrations(runtimeUrl())).toEqual([])
  const ledger = await createPostgresLedger({
    url: runtimeUrl(),
    poolSize: 1,
    lanes: 1,
    allowUnsafeFsync: false,
  })
  const outcome = await ledger.append({ channel: 'order:2', type: 'T', data: '1', id: newEventId() })
  expect(outcome.kind).toBe('stored')
  expect((await ledger.readChannel('order:2', { limit: 1 })).events).toHaveLength(1)
  await ledger.close()
  const partition = ledger.partitionOf('order:2')
  await runtime`select holdfast.remove_events(${ledger.epoch}, ${partition}, 'order:2', 1)`
})

test('the runtime role can erase with a trace, and operate on deliveries', async () => {
  const [ledger] = db.ledgers
  const channel = 'order:3'
  await ledger.append({ channel, type: 'T', data: '"secret"', id: newEventId() })
  const { deliveries, erasure, retention } = createOperations(runtime)
  await writeDelivery(runtime, { consumer: 'rule/x', channel, offset: 1 })
  await deliveries.redrive({ filter: { channel } }, { actor: 'anna' })
  await erasure.erase({ channel, event: { offset: 1 }, actor: 'anna', reason: 'asked' })
  await runtime`update holdfast.erasures set forgotten = 1`
  expect(await deliveries.ofEvent({ channel, offset: 1 })).toMatchObject([
    { ledger: 'erased', consumers: [{ consumer: 'rule/x', state: 'queued' }], acts: { length: 2 } },
  ])
  const namespaces = { order: { tier: 'durable' as const, retention: { maxAgeSeconds: 0, maxEvents: 1 } } }
  expect(await retention.status(namespaces)).toHaveLength(1)
  const attempt = runtime`update holdfast.events set data = '"secret"' where channel = ${channel}`
  await expect(attempt).rejects.toMatchObject({ code: '42501' })
})

test('what one function may do does not outlast it', async () => {
  const [ledger] = db.ledgers
  const channel = 'order:4'
  await ledger.append({ channel, type: 'T', data: '1', id: newEventId() })
  const partition = ledger.partitionOf(channel)
  const both = db.sql.begin(async tx => {
    await tx`select holdfast.erase_event(${ledger.epoch}, ${partition}, ${channel}, 1, 'anna', 'asked')`
    await tx`update holdfast.events set data = '2'`
  })
  await expect(both).rejects.toMatchObject({ code: 'HF003' })
  expect((await ledger.readChannel(channel, { limit: 1 })).events).toMatchObject([{ data: '1' }])
  const other = db.sql`select holdfast.erase_event('other', ${partition}, ${channel}, 1, 'anna', 'asked')`
  await expect(other).rejects.toMatchObject({ code: 'HF001' })
})

test.each([
  ['synchronous_commit = off', 'begin; set local synchronous_commit = off'],
  ['another isolation', 'begin isolation level repeatable read'],
])('a session with %s cannot append', async (_, begin) => {
  const session = await db.sql.reserve()
  try {
    await session.unsafe(begin)
    const append = session.unsafe(`
      select * from holdfast.append('${db.ledgers[0].epoch}', '{0}', '{order:1}', '{${newEventId()}}', '{T}', '{1}', '{null}', '{0}', '{0}')`)
    await expect(append).rejects.toMatchObject({ code: 'HF002' })
  } finally {
    await session.unsafe('rollback')
    session.release()
  }
})

test('a wrong hint costs time and nothing else', async () => {
  const partition = db.ledgers[0].partitionOf('order:1')
  for (const hint of ['0', '999999', 'null', '-5']) {
    const [row] = await db.sql.unsafe(`
      select offsets[1] as "offset", outcomes from holdfast.append(
        '${db.ledgers[0].epoch}', '{${partition}}', '{order:1}', '{${newEventId()}}', '{T}', '{1}', '{null}', '{${hint}}', '{${hint}}')`)
    const [head] =
      await db.sql`select max("offset") as head, count(*) as count from holdfast.events where channel = 'order:1'`
    expect(row).toEqual({ outcomes: 's', offset: head?.['head'] })
    expect(head?.['head']).toBe(head?.['count'])
  }
})

test('a refused event is told no position, since it has none', async () => {
  const ledger = db.ledgers[0]
  const id = newEventId()
  const append = (data: string) =>
    db.sql.unsafe(`
    select outcomes, positions from holdfast.append(
      '${ledger.epoch}', '{0}', '{order:0}', '{${id}}', '{T}', '{${data}}', '{null}', '{0}', '{0}')`)
  const [stored] = await append('1')
  const [again] = await append('1')
  const [other] = await append('2')
  expect([stored?.['outcomes'], again?.['outcomes'], other?.['outcomes']]).toEqual(['s', 'd', 'r'])
  expect(again?.['positions']).toEqual(stored?.['positions'])
  expect(other?.['positions']).toEqual('{NULL}')
})
