import { sql as drizzleSql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { freshDatabase } from '../../../test/support/database.ts'
import { type TestLedger, testLedger } from '../../../test/support/ledger.ts'
import { newEventId } from '../../domain/index.ts'
import { migrate } from '../migrate.ts'

let db: TestLedger
/** As an application has it: the driver as it comes. */
let app: postgres.Sql

beforeAll(async () => {
  db = await testLedger()
  app = postgres(db.url, { max: 2 })
})
afterAll(async () => {
  await app.end()
  await db.close()
})
beforeEach(async () => {
  await db.sql`delete from holdfast.outbox`
})

const rows = () =>
  db.sql<{ channel: string; type: string; data: string; eventId: string }[]>`
    select channel, type, data, event_id as "eventId" from holdfast.outbox order by id`

describe('holdfast_publish', () => {
  it.each([
    ['a literal', `select holdfast_publish('order:7', 'Paid', '{"a":1}')`, '{"a":1}'],
    ['jsonb', `select holdfast_publish('order:7', 'Paid', jsonb_build_object('a', 1))`, '{"a": 1}'],
    ['json', `select holdfast_publish('order:7', 'Paid', json_build_object('a', 1))`, '{"a" : 1}'],
    [
      'a text column',
      `select holdfast_publish('order:7', 'Paid', t) from (values (text '[1]')) as v (t)`,
      '[1]',
    ],
    ['a varchar', `select holdfast_publish('order:7', 'Paid', varchar '2')`, '2'],
    [
      'named arguments',
      `select holdfast_publish(channel => 'order:7', type => 'Paid', data => 'null')`,
      'null',
    ],
    ['the name with its schema', `select holdfast.publish('order:7', 'Paid', '" "')`, '" "'],
    [
      'what jsonb would change',
      `select holdfast_publish('order:7', 'Paid', '{"b":1.0, "a":1e2}')`,
      '{"b":1.0, "a":1e2}',
    ],
  ])('takes %s', async (_, statement, data) => {
    await db.sql.unsafe(statement)
    expect(await rows()).toMatchObject([{ channel: 'order:7', type: 'Paid', data }])
  })

  it('returns the id, which the caller may give', async () => {
    const id = newEventId()
    const [given] = await app`select holdfast_publish('order:7', 'Paid', '1', ${id}) as id`
    const [made] = await app`select holdfast_publish('order:7', 'Paid', '1') as id`
    const [none] = await app`select holdfast_publish('order:7', 'Paid', '1', null) as id`
    expect(given).toEqual({ id })
    expect((await rows()).map(row => row.eventId)).toEqual([id, made?.['id'], none?.['id']])
  })

  it('works with the parameters of postgres.js and of drizzle', async () => {
    const data = { text: `it's "quoted" \\ and 漢` }
    await app`select holdfast_publish(${'order:7'}, ${'Paid'}, ${JSON.stringify(data)})`
    await app`select holdfast_publish(${'order:7'}, ${'Paid'}, ${app.json(data)})`
    const client = postgres(db.url, { max: 1 })
    await drizzle({ client }).transaction(async tx => {
      await tx.execute(drizzleSql`select holdfast_publish(${'order:7'}, ${'Paid'}, ${JSON.stringify(data)})`)
      await tx.execute(
        drizzleSql`select holdfast_publish(${'order:7'}, ${'Paid'}, ${JSON.stringify(data)}::jsonb)`,
      )
    })
    await client.end()
    const there = await rows()
    expect(there).toHaveLength(4)
    for (const row of there) expect(JSON.parse(row.data)).toEqual(data)
  })

  it('is part of the transaction it is called in', async () => {
    const undone = app.begin(async tx => {
      await tx`select holdfast_publish('order:7', 'Paid', '1')`
      throw new Error('changed my mind')
    })
    await expect(undone).rejects.toThrow('changed my mind')
    expect(await rows()).toEqual([])
  })

  it.each([
    ['no channel', `null, 'T', '1'`, 'channel', 'got null'],
    ['an empty channel', `'', 'T', '1'`, 'channel', `got '' (0)`],
    ['a channel with a blank', `'order 7', 'T', '1'`, 'channel', `got 'order 7' (7)`],
    ['a channel that is not ASCII', `'order:é', 'T', '1'`, 'channel', 'printable ASCII'],
    ['a channel of two lines', `E'order:7\\n', 'T', '1'`, 'channel', 'printable ASCII'],
    ['a long channel', `repeat('a', 256), 'T', '1'`, 'channel', '(256)'],
    ['a channel of Holdfast’s own', `'holdfast:erasures', 'T', '1'`, 'channel', 'written by Holdfast only'],
    ['a private one of its own', `'$holdfast:erasures', 'T', '1'`, 'channel', 'written by Holdfast only'],
    ['no type', `'order:7', null, '1'`, 'type', 'got null'],
    ['an empty type', `'order:7', '', '1'`, 'type', 'got 0'],
    ['a long type', `'order:7', repeat('T', 256), '1'`, 'type', 'got 256'],
    ['a type of Holdfast’s own', `'order:7', 'holdfast.x', '1'`, 'type', 'reserved'],
    ['no data', `'order:7', 'T', null`, 'data', 'got null'],
    ['a broken text', `'order:7', 'T', '{"a":'`, 'data', `expected JSON as data, got '{"a":'`],
    ['a string without quotes', `'order:7', 'T', 'hello'`, 'data', `got 'hello'`],
    [
      'data that is too deep',
      `'order:7', 'T', repeat('[', 300000) || repeat(']', 300000)`,
      'data',
      'too deeply',
    ],
    ['data that is too large', `'order:7', 'T', to_json(repeat('x', 16777215))`, 'data', 'got 16777217'],
  ])('refuses %s, and says what to do', async (_, args, column, message) => {
    const refused = await db.sql.unsafe(`select holdfast_publish(${args})`).catch((error: unknown) => error)
    expect(refused).toMatchObject({
      code: 'HF006',
      column_name: column,
      message: expect.stringContaining(message),
      hint: expect.stringMatching(/\S/),
    })
    expect(await rows()).toEqual([])
  })

  it('takes the longest and the largest there may be', async () => {
    await db.sql.unsafe(
      `select holdfast_publish(repeat('~', 255), repeat('漢', 255), to_json(repeat('x', 16777214)))`,
    )
    const [row] = await rows()
    expect([row?.channel.length, row?.type.length, row?.data.length]).toEqual([255, 255, 16_777_216])
  })

  it('takes no lock that anybody waits for', async () => {
    await app.begin(async tx => {
      await tx`select holdfast_publish('order:7', 'Paid', '1')`
      const held = await tx<{ locktype: string; mode: string }[]>`
        select locktype, mode from pg_locks where pid = pg_backend_pid() and locktype not in ('virtualxid', 'transactionid')`
      expect(new Set(held.map(lock => lock.locktype))).toEqual(new Set(['relation']))
      for (const { mode } of held) expect(mode).toMatch(/^(AccessShare|RowShare|RowExclusive)Lock$/)
    })
  })
})

describe('who may publish', () => {
  const login = `app_${newEventId().replaceAll('-', '')}`
  const as = (user: string, url = db.url) => {
    const changed = new URL(url)
    changed.username = user
    changed.password = 'secret'
    return changed.href
  }

  it('is a member of holdfast_publisher, and may do nothing else with it', async () => {
    await db.sql.unsafe(`create role ${login} login password 'secret' in role holdfast_publisher`)
    const member = postgres(as(login), { max: 1 })
    await member`select holdfast_publish('order:7', 'Paid', '{"a":1}')`
    await member`select holdfast_publish('order:7', 'Paid', ${member.json({ a: 1 })})`
    await member`select holdfast.publish('order:7', 'Paid', '{"a":1}'::json)`
    expect(await rows()).toHaveLength(3)
    for (const attack of [
      'select * from holdfast.outbox',
      `insert into holdfast.outbox (channel, type, data, event_id) values ('holdfast:erasures', 'EventErased', '1', gen_random_uuid())`,
      'delete from holdfast.outbox',
      'select * from holdfast.events',
      `select * from holdfast.relay_outbox('', '{}', '{}', '{}', '{}', '{}', '{}')`,
      `select * from holdfast.append('', '{0}', '{a}', '{00000000-0000-0000-0000-000000000000}', '{T}', '{1}', '{null}', '{0}', '{0}')`,
    ]) {
      await expect(member.unsafe(attack), attack).rejects.toMatchObject({ code: '42501' })
    }
    // A function of its own making in the search path is not what runs as the owner.
    await member`create temporary table outbox (id int)`
    await member.unsafe(`set search_path = pg_temp, public; select holdfast_publish('order:8', 'Paid', '1')`)
    expect((await rows()).at(-1)?.channel).toBe('order:8')
    await member.end()
    await db.sql.unsafe(`drop owned by ${login}; drop role ${login}`)
  })

  it('is nobody else', async () => {
    await db.sql.unsafe(`create role ${login} login password 'secret'`)
    const stranger = postgres(as(login), { max: 1 })
    await expect(stranger`select holdfast_publish('order:7', 'Paid', '1')`).rejects.toMatchObject({
      code: '42501',
    })
    await expect(stranger`select holdfast.publish('order:7', 'Paid', '1')`).rejects.toMatchObject({
      code: '42501',
    })
    await stranger.end()
    await db.sql.unsafe(`drop role ${login}`)
  })

  it('has the name with the schema where the migrating role may not write to public', async () => {
    const database = await freshDatabase(inject('postgresUrl'))
    const admin = postgres(database.url, { max: 1, onnotice: () => undefined })
    await admin.unsafe(`create role ${login} login password 'secret'`)
    await admin.unsafe(`grant create on database ${new URL(database.url).pathname.slice(1)} to ${login}`)
    await migrate(as(login, database.url))
    const [found] = await admin`select to_regproc('public.holdfast_publish') as name`
    expect(found).toEqual({ name: null })
    const owner = postgres(as(login, database.url), { max: 1 })
    await owner`select holdfast.publish('order:7', 'Paid', '{"a":1}')`
    await owner.end()
    await admin.end()
    await database.drop()
    await db.sql.unsafe(`drop role ${login}`)
  })
})
