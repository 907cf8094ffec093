import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { sql as raw } from 'drizzle-orm'
import {
  boolean,
  customType,
  date,
  doublePrecision,
  integer,
  jsonb,
  numeric,
  pgEnum,
  pgSchema,
  pgTable,
  serial,
  text,
  timestamp,
  uuid,
  varchar,
} from 'drizzle-orm/pg-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { append, dense } from '../../../test/support/durable-nodes.ts'
import { type GroupStage, groupStage, openDeliveries } from '../../../test/support/group-stage.ts'
import { seeded } from '../../../test/support/seeded.ts'
import type { SinkWorkerSetup } from '../../../test/support/sink-worker.ts'
import { until } from '../../../test/support/until.ts'
import type { SystemGroups } from '../../durable/index.ts'
import type { Sql } from '../../platform/index.ts'
import { declareBatchSink } from './batch-sink.ts'
import type { BatchSinkOptions } from './types.ts'

let stage: GroupStage
let db: Sql
beforeAll(async () => {
  stage = await groupStage()
  db = stage.database.sql
})
afterAll(() => stage?.close())

let count = 0
const fresh = () => `sink${++count}`
const open = (name: string) => openDeliveries(stage.database, name)
const working: SystemGroups[] = []
async function sink(name: string, options: object) {
  const groups = stage.worker()
  working.push(groups)
  const declared = declareBatchSink(groups, name, {
    channels: `${name}:{id}`,
    maxDelayMs: 0,
    retryMs: { first: 5, most: 10 },
    maxAttempts: 2,
    ...options,
  } as unknown as BatchSinkOptions)
  await groups.work()
  return declared
}
const rowsOf = (table: string) => db.unsafe(`select * from ${table} order by 1`)
const there = (table: string, many: number) =>
  until(`${table} has ${many} rows`, async () => {
    const rows = await rowsOf(table)
    return rows.length === many ? rows : undefined
  })

describe('a batch sink', () => {
  it('writes the rows of many events with one statement, none for some and several for others', async () => {
    const name = fresh()
    await db.unsafe(`create table ${name} (n int, part int)`)
    await append(stage.a, `${name}:1`, 100, { atOnce: true })
    const table = pgTable(name, { n: integer(), part: integer() })
    const declared = await sink(name, {
      table,
      row: ({ offset }: { offset: number }) =>
        offset % 10 === 0
          ? undefined
          : dense(1, offset % 10 === 1 ? 3 : 1).map(part => ({ n: offset, part })),
    })
    const rows = await there(name, 110)
    expect(rows.slice(0, 4)).toEqual([1, 2, 3].map(part => ({ n: 1, part })).concat({ n: 2, part: 1 }))
    await until('it has said so', () => declared.status().rows === 110)
    expect(declared.status().batches).toBe(1)
    const [transactions] = await db.unsafe(`select count(distinct xmin::text)::int as n from ${name}`)
    expect(transactions).toEqual({ n: 1 })
  })

  it('takes drizzle’s values of every kind, and its defaults and those of Postgres', async () => {
    const name = fresh()
    const schema = pgSchema(`${name} "x"`)
    const mood = pgEnum(`${name}_Mood`, ['good', 'so "so"'])
    const own = schema.enum('Own', ['a,b'])
    const bytes = customType<{ data: Buffer }>({ dataType: () => 'bytea' })
    await db.unsafe(`
      create schema "${name} ""x""";
      create type "${name}_Mood" as enum ('good', 'so "so"');
      create type "${name} ""x"""."Own" as enum ('a,b');
      create table "${name} ""x"""."t.""1" (
        id serial primary key, offs int, "Mood" "${name}_Mood", own "${name} ""x"""."Own", at timestamptz, day date, text text,
        tags text[], nested int[][], json jsonb, raw bytea, cents numeric(20, 2), ratio float8, flag boolean, ref uuid,
        short varchar(8), made text, given text default 'from Postgres', twice int generated always as (offs * 2) stored)`)
    const table = schema.table('t."1', {
      id: serial().primaryKey(),
      n: integer('offs'),
      mood: mood('Mood'),
      own: own(),
      at: timestamp({ withTimezone: true }),
      day: date(),
      text: text(),
      tags: text().array(),
      nested: integer().array().array(),
      json: jsonb(),
      raw: bytes(),
      cents: numeric({ precision: 20, scale: 2 }),
      ratio: doublePrecision(),
      flag: boolean(),
      ref: uuid(),
      short: varchar({ length: 8 }),
      made: text().$defaultFn(() => 'from drizzle'),
      given: text().default('from Postgres'),
      twice: integer().generatedAlwaysAs(raw`offs * 2`),
    })
    const full = {
      mood: 'so "so"',
      own: 'a,b',
      at: new Date('2026-01-02T03:04:05.678Z'),
      day: '2026-01-02',
      text: 'NULL, "quoted" \\ {é☃}\n',
      tags: ['', 'a"\\b', 'NULL', '{x}'],
      nested: [
        [1, 2],
        [3, 4],
      ],
      json: { text: '{"a": 1}', n: [1, null] },
      raw: Buffer.from([0, 1, 255]),
      cents: '12345678901234567.89',
      ratio: 0.1,
      flag: false,
      ref: '0190d0c0-0000-7000-8000-000000000001',
      short: '12345678',
      made: 'here',
      given: null,
    }
    await append(stage.a, `${name}:1`, 4)
    await sink(name, {
      table,
      row: ({ offset: n }: { offset: number }) =>
        n === 4 ? {} : n === 3 ? { id: 7, n, text: null } : { ...full, n },
    })
    const name2 = `"${name} ""x"""."t.""1"`
    const rows = await until('all are there', async () => {
      const found = await db.unsafe(
        `select *, json->>'text' as inner, nested[2][1] as four from ${name2} order by offs`,
      )
      return found.length === 4 ? found : undefined
    })
    const { n: _, ...expected } = { ...full, n: 0 }
    expect(rows[0]).toMatchObject({
      offs: 1,
      Mood: expected.mood,
      own: expected.own,
      at: expected.at,
      text: expected.text,
      json: expected.json,
      raw: expected.raw,
      cents: expected.cents,
      ratio: 0.1,
      flag: false,
      ref: expected.ref,
      short: expected.short,
      made: 'here',
      given: null,
      twice: 2,
      inner: '{"a": 1}',
      four: 3,
    })
    const [tags] = await db.unsafe(
      `select tags = array['', 'a"\\b', 'NULL', '{x}'] as same from ${name2} limit 1`,
    )
    expect(tags).toEqual({ same: true })
    const bare = { text: null, made: 'from drizzle', given: 'from Postgres', json: null }
    expect(rows.slice(2)).toMatchObject([
      { id: 7, offs: 3, ...bare },
      { offs: null, ...bare },
    ])
  })

  it('parks what can’t be written, alone, and cuts nothing off', async () => {
    const name = fresh()
    await db.unsafe(
      `create table ${name} (n int check (n <> 40), short varchar(3), shorts varchar(3)[], bits bit(2))`,
    )
    const table = pgTable(name, {
      n: integer(),
      short: varchar({ length: 3 }),
      shorts: varchar({ length: 3 }).array(),
      bits: customType<{ data: string }>({ dataType: () => 'bit(2)' })(),
    })
    const bad: Record<number, object> = {
      7: { short: 'four' },
      9: { shorts: ['abc', 'four'] },
      12: { bits: '101' },
      23: { n: 'x' },
      31: { short: '\u0000' },
      33: { n: raw`1` },
      35: 'not a row',
    } as unknown as Record<number, object>
    for (const n of dense(1, 50)) await append(stage.a, `${name}:${n}`, 1)
    await sink(name, {
      table,
      row: ({ params }: { params: { id: string } }) => {
        const n = Number(params.id)
        if (n === 44) throw new Error('no row of this')
        return typeof bad[n] === 'string'
          ? bad[n]
          : { n, short: 'abc', shorts: ['a', 'abc'], bits: '01', ...bad[n] }
      },
    })
    await there(name, 41)
    const parked = await until('nine are parked', async () => {
      const rows = await open(name)
      return rows.length === 9 && rows.every(({ state }) => state === 'parked') ? rows : undefined
    })
    const reasons = Object.fromEntries(parked.map(({ channel, reason }) => [channel.split(':')[1], reason]))
    expect(reasons).toEqual({
      7: expect.stringContaining('value too long'),
      9: expect.stringContaining('value too long'),
      12: expect.stringContaining('does not match type bit(2)'),
      23: expect.stringContaining('invalid input syntax for type integer'),
      31: expect.stringContaining('0x00'),
      33: expect.stringContaining('is no value'),
      35: expect.stringContaining('expected a row'),
      40: expect.stringContaining('check constraint'),
      44: expect.stringContaining('no row of this'),
    })
  })

  it('leaves rows that are there as they are where it may, and parks them otherwise', async () => {
    const name = fresh()
    await db.unsafe(`create table ${name} (n int primary key, at text)`)
    await db.unsafe(`insert into ${name} values (2, 'before')`)
    const table = pgTable(name, { n: integer(), at: text() })
    for (const n of [1, 2, 3]) await append(stage.a, `${name}:${n}`, 1)
    const row = ({ params }: { params: { id: string } }) => ({ n: Number(params.id), at: 'now' })
    const declared = await sink(name, { table, row, onConflict: 'nothing' })
    expect((await there(name, 3)).map(({ at }) => at)).toEqual(['now', 'before', 'now'])
    await until('it has counted', () => declared.status().rows === 2)
    const strict = fresh()
    await sink(strict, { channels: `${name}:{id}`, table, row })
    await until('all three are parked', async () => (await open(strict)).length === 3)
  })

  it('waits for a table that is missing, locked or not allowed, and blames no event', async () => {
    const name = fresh()
    await append(stage.a, `${name}:1`, 30, { atOnce: true })
    const declared = await sink(name, {
      table: pgTable(name, { n: integer() }),
      row: ({ offset: n }: { offset: number }) => ({ n }),
    })
    const tried = async () =>
      db`select from pg_stat_database where datname = current_database() and xact_rollback > ${await before}`
    const before = db`select xact_rollback from pg_stat_database where datname = current_database()`.then(
      ([found]) => found?.['xact_rollback'] as number,
    )
    await until('it has tried', async () => (await tried()).length > 0)
    expect(await open(name)).toEqual([])
    await db.unsafe(`create table ${name} (n int)`)
    await there(name, 30)
    await until('it has counted', () => declared.status().rows === 30)
    expect(declared.status()).toEqual({ rows: 30, batches: 1 })
    expect(await open(name)).toEqual([])
  })

  it('refuses what could not be meant', () => {
    const groups = stage.worker()
    const good = { channels: 'a:{id}', table: pgTable('t', { n: integer() }), row: () => ({ n: 1 }) }
    const bad: object[] = [
      { table: { n: 1 } },
      { row: 'n' },
      { channels: undefined },
      { channels: ['a:{}'] },
      { maxRows: 0 },
      { maxRows: 1_001 },
      { maxDelayMs: -1 },
      { maxDelayMs: 4_001 },
      { onConflict: 'update' },
      { mode: 'fast' },
      { maxrows: 5 },
    ]
    for (const [i, option] of bad.entries())
      expect(() => declareBatchSink(groups, `bad${i}`, { ...good, ...option } as typeof good)).toThrow(
        expect.objectContaining({ code: 'CONFIG_INVALID' }),
      )
    declareBatchSink(groups, 'good', good)
    expect(() => declareBatchSink(groups, 'good', good)).toThrow(/declared twice/)
  })
})

const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Date.now() % 1_000_000)

describe(`processes with a sink that are killed (seed ${seed})`, () => {
  const program = fileURLToPath(new URL('../../../test/support/sink-worker.ts', import.meta.url))
  it('lose no row and write none twice', { timeout: 170_000 }, async () => {
    const random = seeded(seed)
    await db`create table by_ordered (sensor text, n int, at bigint)`
    await db`create table by_competing (like by_ordered)`
    const { url } = stage.database
    const setup: SinkWorkerSetup = { databaseUrl: url, redisUrl: stage.redisUrl }
    const start = () => spawn(process.execPath, [program, JSON.stringify(setup)], { stdio: 'inherit' })
    const crew = [start(), start()]
    const total = 4_000
    const kills = dense(1, 4).map(n => Math.trunc(((n - random()) * total) / 4))
    let appended = 0
    let killed = 0
    const written = async () => {
      const [row] = await db`
        select (select count(*)::int from by_ordered) as ordered, (select count(*)::int from by_competing) as competing`
      return Math.min(row?.['ordered'], row?.['competing'])
    }
    const appendMore = async (count: number) => {
      appended += count
      const channels = Array.from({ length: count }, () => `reading:${Math.trunc(random() * 40)}`)
      await Promise.all(channels.map(channel => stage.a.append({ channel, type: 'Read', data: '{}' })))
    }
    const goOn = async () => {
      const rows = await written()
      for (; kills[0] !== undefined && kills[0] <= rows; killed++) {
        kills.shift()
        const victim = crew.shift()
        const gone = victim && once(victim, 'exit')
        victim?.kill('SIGKILL')
        await gone
        crew.push(start())
      }
      await appendMore(Math.max(0, Math.min(total, rows + 1_000) - appended))
      return rows >= total
    }
    try {
      await until('all rows are there', goOn, 150_000)
      expect(killed).toBe(4)
      for (const table of ['by_ordered', 'by_competing']) {
        const [found] = await db.unsafe(`
          select count(*)::int as rows, count(distinct (sensor, n))::int as distinct,
                 count(*) filter (where exists (
                   select from holdfast.events as e where e.channel = 'reading:' || sensor and e."offset" = n))::int as real
          from ${table}`)
        expect({ table, ...found }).toEqual({ table, rows: total, distinct: total, real: total })
      }
    } finally {
      for (const each of crew) each.kill('SIGKILL')
    }
  })
})
