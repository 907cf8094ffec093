import { and, eq, gt, sql as raw } from 'drizzle-orm'
import {
  bigint,
  boolean,
  char,
  customType,
  date,
  doublePrecision,
  inet,
  integer,
  interval,
  json,
  jsonb,
  numeric,
  pgTable,
  point,
  real,
  smallint,
  text,
  time,
  timestamp,
  uuid,
  varchar,
} from 'drizzle-orm/pg-core'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { type FreshDatabase, freshDatabase } from '../../test/support/database.ts'
import { type Orm, ormOver } from './orm.ts'
import { connectPostgres, type Sql } from './postgres.ts'
import { transaction } from './transaction.ts'

let database: FreshDatabase
let sql: Sql
beforeAll(async () => {
  database = await freshDatabase(inject('postgresUrl'))
  sql = connectPostgres(database.url, { max: 2, applicationName: 'holdfast-test', orm: true })
  await sql`create table numbers (id int primary key, n bigint)`
})
afterAll(async () => {
  await sql.end({ timeout: 1 })
  await database.drop()
})
const within = <T>(act: (db: Orm) => Promise<T>): Promise<T> => transaction(sql, tx => act(ormOver(tx)))
const numbers = pgTable('numbers', { id: integer().primaryKey(), n: bigint({ mode: 'number' }) })

const bytes = customType<{ data: Buffer }>({ dataType: () => 'bytea' })
const moment = new Date('2026-02-28T23:59:59.123Z')
const difficult = ['', 'null', 'NULL', '"', '\\', '\\\\"', '{}', ',', ' a ', 'é☃\n', '1', "it's"]
const columns = {
  small: [smallint(), -32_768],
  int: [integer(), 2_147_483_647],
  bigNumber: [bigint({ mode: 'number' }), Number.MAX_SAFE_INTEGER],
  bigBigint: [bigint({ mode: 'bigint' }), 9_223_372_036_854_775_807n],
  smallBigint: [bigint({ mode: 'bigint' }), -1n],
  float: [real(), 1.5],
  double: [doublePrecision(), 0.1 + 0.2],
  notANumber: [doublePrecision(), Number.NaN],
  numeric: [numeric(), '12345678901234567890.000000001000'],
  numericNumber: [numeric({ mode: 'number' }), 1.25],
  numericBigint: [numeric({ mode: 'bigint' }), 123_456_789_012_345_678_901_234_567_890n],
  flag: [boolean(), false],
  text: [text(), 'a\\"b\n{é☃}'],
  varchar: [varchar({ length: 5 }), 'true'],
  char: [char({ length: 3 }), 'abc'],
  uuid: [uuid(), '0190d0c0-0000-7000-8000-000000000001'],
  bytes: [bytes(), Buffer.from([0, 255, 92])],
  inet: [inet(), '10.0.0.1'],
  point: [point({ mode: 'xy' }), { x: 1, y: -2.5 }],
  json: [json(), { b: 1, a: [null, 'x', { deep: '"' }] }],
  jsonb: [jsonb(), { a: [1, 2.5, false, null], text: '{"not": "parsed"}' }],
  jsonText: [jsonb(), 'just text'],
  jsonTextNumber: [jsonb(), '123'],
  jsonTextJson: [json(), '{"a":1}'],
  jsonTextNull: [jsonb(), 'null'],
  jsonNumber: [jsonb(), 0],
  jsonFlag: [jsonb(), false],
  jsonArray: [jsonb(), [1, [2]]],
  date: [date(), '2026-02-28'],
  dateDate: [date({ mode: 'date' }), new Date('2026-02-28T00:00:00.000Z')],
  time: [time(), '23:59:59.5'],
  stamp: [timestamp({ mode: 'date' }), moment],
  stampText: [timestamp({ mode: 'string' }), '2026-02-28 23:59:59.123456'],
  stampZone: [timestamp({ mode: 'date', withTimezone: true }), moment],
  interval: [interval(), '1 day 02:03:04'],
  texts: [text().array(), difficult],
  noTexts: [text().array(), []],
  textsNested: [text().array().array(), [difficult, [...difficult].reverse()]],
  ints: [integer().array(), [1, -2]],
  bigs: [bigint({ mode: 'bigint' }).array(), [9_223_372_036_854_775_807n]],
  flags: [boolean().array(), [true, false, null]],
  jsons: [jsonb().array(), [{ a: '"\\"' }, [1], 'text', '1', 2]],
  dates: [date().array(), ['2026-02-28']],
  stamps: [timestamp({ mode: 'date', withTimezone: true }).array(), [moment]],
  uuids: [uuid().array(), ['0190d0c0-0000-7000-8000-000000000001']],
  numerics: [numeric().array(), ['0.10', '-5']],
  doubles: [doublePrecision().array(), [0.1, -5]],
  nullsAmong: [text().array(), ['a', null]],
} as const

it('keeps every kind of value over a round trip, one and in multi-row statements', async () => {
  const kinds = Object.entries(columns)
  const made = pgTable('kinds', {
    id: integer().primaryKey(),
    ...Object.fromEntries(kinds.map(([name, [column]]) => [name, column])),
  } as { id: ReturnType<typeof integer> })
  const types = kinds.map(
    ([name]) => `"${name}" ${(made as unknown as Record<string, typeof made.id>)[name]?.getSQLType()}`,
  )
  await sql.unsafe(`create table kinds (id int primary key, ${types.join(', ')})`)
  const full = { ...Object.fromEntries(kinds.map(([name, [, value]]) => [name, value])) }
  const empty = Object.fromEntries(kinds.map(([name]) => [name, null]))
  const rows = await within(async db => {
    await db.insert(made).values([
      { id: 1, ...full },
      { id: 2, ...empty },
    ] as never)
    return db.select().from(made).orderBy(made.id)
  })
  expect(rows).toEqual([
    { id: 1, ...full },
    { id: 2, ...empty },
  ])
  // What the database has is JSON, not a text of it.
  const [stored] = await sql`
    select jsonb_typeof(jsonb) as a, json_typeof(json) as b, jsonb_typeof("jsonTextNumber") as c, jsons[1]->>'a' as d
    from kinds where id = 1`
  expect(stored).toEqual({ a: 'object', b: 'object', c: 'string', d: '"\\"' })
})

it('updates, upserts, deletes, and joins by condition', async () => {
  const left = await within(async db => {
    await db.insert(numbers).values(Array.from({ length: 10 }, (_, id) => ({ id, n: id * 10 })))
    await db
      .insert(numbers)
      .values([{ id: 3, n: 1 }])
      .onConflictDoUpdate({ target: numbers.id, set: { n: raw`${numbers.n} + excluded.n` } })
    await db.update(numbers).set({ n: 0 }).where(eq(numbers.id, 4))
    await db.delete(numbers).where(and(gt(numbers.id, 4), gt(numbers.n, 0)))
    return db.select().from(numbers).orderBy(numbers.id)
  })
  expect(left.map(({ n }) => n)).toEqual([0, 10, 20, 31, 0])
})

it('takes a savepoint for a transaction of its own, and keeps the rest when that fails', async () => {
  await within(async db => {
    await db.insert(numbers).values({ id: 100, n: 1 })
    const failed = db.transaction(async inner => {
      await inner.insert(numbers).values({ id: 101, n: 1 })
      await inner.insert(numbers).values({ id: 100, n: 1 })
    })
    await expect(failed).rejects.toMatchObject({ cause: { code: '23505' } })
    await expect(db.transaction(async inner => inner.rollback())).rejects.toThrow('Rollback')
  })
  expect(await within(db => db.select().from(numbers).where(gt(numbers.id, 99)))).toEqual([{ id: 100, n: 1 }])
})

it('sends nothing after the end, and spoils nothing for others', async () => {
  const kept = await within(async db => db)
  await expect(kept.insert(numbers).values({ id: 200, n: 1 })).rejects.toMatchObject({
    cause: { message: expect.stringContaining('has ended') },
  })
  expect(await within(db => db.select().from(numbers).where(gt(numbers.id, 199)))).toEqual([])
  // Whoever writes statements by hand has times as text here, and whole numbers that are safe.
  const [row] = await sql`
    select 7::bigint as a, ${moment}::timestamptz = ${moment.toISOString()}::timestamptz as b,
           ${{ a: 1 } as never}::jsonb->>'a' as c, ${'[1]'}::jsonb as d`
  expect(row).toEqual({ a: 7, b: true, c: '1', d: '[1]' })
})
