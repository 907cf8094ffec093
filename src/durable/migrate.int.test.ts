import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { generateDrizzleJson, generateMigration } from 'drizzle-kit/api'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { type FreshDatabase, freshDatabase } from '../../test/support/database.ts'
import * as commandTables from '../commands/tables.ts'
import * as consoleTables from '../console/tables.ts'
import { newEventId } from '../domain/index.ts'
import { connectPostgres } from '../platform/index.ts'
import * as projectionTables from '../projections/tables.ts'
import * as cursorTables from './cursors/tables.ts'
import * as groupTables from './groups/tables.ts'
import * as jobTables from './jobs/tables.ts'
import { createPostgresLedger } from './ledger/postgres-ledger.ts'
import * as ledgerTables from './ledger/tables.ts'
import { migrate, pendingMigrations } from './migrate.ts'
import * as operationTables from './operations/tables.ts'
import * as outboxTables from './outbox/tables.ts'

const journal = JSON.parse(
  readFileSync(new URL('../../migrations/meta/_journal.json', import.meta.url), 'utf8'),
) as {
  entries: { idx: number; tag: string; when: number }[]
}
const tags = journal.entries.map(({ tag }) => tag)
let database: FreshDatabase

beforeEach(async () => {
  database = await freshDatabase(inject('postgresUrl'))
})
afterEach(() => database.drop())

async function run(statement: string): Promise<unknown[]> {
  const sql = connectPostgres(database.url, { max: 1, applicationName: 'holdfast-test' })
  try {
    return [...(await sql.unsafe(statement))]
  } finally {
    await sql.end()
  }
}

const open = () => createPostgresLedger({ url: database.url, poolSize: 1, lanes: 1, allowUnsafeFsync: false })

test('the journal is in order, so that no migration can be passed over', () => {
  expect(journal.entries.map(({ idx }) => idx)).toEqual(tags.map((_, i) => i))
  expect(tags.every((tag, i) => tag.startsWith(String(i).padStart(4, '0')))).toBe(true)
  expect(journal.entries.every(({ when }, i) => i === 0 || when > (journal.entries[i - 1]?.when ?? 0))).toBe(
    true,
  )
})

test('an empty database gets every migration once, and a ledger opens on it', async () => {
  expect(await pendingMigrations(database.url)).toEqual(tags)
  expect(await migrate(database.url)).toEqual(tags)
  expect(await pendingMigrations(database.url)).toEqual([])
  expect(await migrate(database.url)).toEqual([])
  const ledger = await open()
  expect(ledger.partitions).toBe(64)
  await ledger.close()
})

test('several that migrate at once do the work once', async () => {
  const applied = await Promise.all(Array.from({ length: 5 }, () => migrate(database.url)))
  expect(applied.filter(list => list.length > 0)).toEqual([tags])
  expect(await run('select epoch from holdfast.ledger')).toHaveLength(1)
})

test('a node may start on a database that is newer than its code, as long as no migration says otherwise', async () => {
  await migrate(database.url)
  await run(`insert into holdfast.migrations (hash, created_at) values ('of tomorrow', 99999999999999)`)
  expect(await migrate(database.url)).toEqual([])
  expect(await pendingMigrations(database.url)).toEqual([])

  const newest = Math.max(...journal.entries.map(({ when }) => when))
  const least = (when: number) =>
    run(`create or replace function holdfast.least_migration() returns bigint language sql return ${when}`)
  await least(newest)
  expect(await pendingMigrations(database.url)).toEqual([])
  await least(newest + 1)
  for (const start of [migrate, pendingMigrations])
    await expect(start(database.url)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('too new'),
    })
})

test('a database that is newer and lacks something all the same is of another line, and is left alone', async () => {
  await migrate(database.url)
  await run(`insert into holdfast.migrations (hash, created_at) values ('of tomorrow', 99999999999999)`)
  await run(`delete from holdfast.migrations where created_at = ${journal.entries[0]?.when}`)
  for (const start of [migrate, pendingMigrations])
    await expect(start(database.url)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})

test('a migration that was passed over is found', async () => {
  await migrate(database.url)
  await run(`delete from holdfast.migrations where created_at = ${journal.entries[0]?.when}`)
  expect(await pendingMigrations(database.url)).toEqual([tags[0]])
  await expect(migrate(database.url)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    details: { migrations: [tags[0]] },
  })
})

test('a database without a ledger is told to be migrated', async () => {
  await expect(open()).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('holdfast migrate'),
  })
})

test('the number of partitions can be chosen before the first migration', async () => {
  await migrate(`${database.url}?holdfast.partitions=8`)
  const ledger = await open()
  expect(ledger.partitions).toBe(8)
  await ledger.close()
})

test('tables of an application that uses drizzle too are not taken for ours', async () => {
  await run(`create schema drizzle; create table drizzle.__drizzle_migrations (id serial, hash text, created_at bigint);
    insert into drizzle.__drizzle_migrations (hash, created_at) values ('theirs', 99999999999999)`)
  expect(await migrate(database.url)).toEqual(tags)
})

test('the migrations make what the tables declare', async () => {
  const last = journal.entries.at(-1)?.tag.slice(0, 4)
  const snapshot = JSON.parse(
    readFileSync(new URL(`../../migrations/meta/${last}_snapshot.json`, import.meta.url), 'utf8'),
  )
  const tables = {
    ...ledgerTables,
    ...cursorTables,
    ...groupTables,
    ...jobTables,
    ...operationTables,
    ...outboxTables,
    ...projectionTables,
    ...commandTables,
    ...consoleTables,
  }
  const declared = generateDrizzleJson(tables, snapshot.id, ['holdfast'])
  expect(await generateMigration(snapshot, declared)).toEqual([])
})

test('a database of each state before gets what it lacks, and keeps its events', async () => {
  // As the release before left it, and as each migration since has.
  const released = tags.indexOf('0008_access') + 1
  for (let count = released; count < tags.length; count++) {
    await run(`drop schema if exists holdfast_projections cascade; drop schema if exists holdfast cascade;
      create schema holdfast;
      create table holdfast.migrations (id serial primary key, hash text not null, created_at bigint)`)
    for (const { tag, when } of journal.entries.slice(0, count)) {
      const text = readFileSync(new URL(`../../migrations/${tag}.sql`, import.meta.url), 'utf8')
      const hash = createHash('sha256').update(text).digest('hex')
      await run(`${text}; insert into holdfast.migrations (hash, created_at) values ('${hash}', ${when})`)
    }
    const before = { channel: 'order:1', type: 'T', data: '1', id: newEventId() }
    const old = await open()
    expect((await old.append(before)).kind).toBe('stored')
    await old.close()
    expect(await migrate(database.url)).toEqual(tags.slice(count))
    const ledger = await open()
    expect((await ledger.append(before)).kind).toBe('duplicate')
    const pair = [0, 1].map(i => ({ ...before, id: newEventId(), ...(i === 0 && { expectedOffset: 1 }) }))
    expect((await ledger.appendTogether(pair)).kind).toBe('stored')
    expect((await ledger.readChannel('order:1', { limit: 10 })).events).toHaveLength(3)
    await ledger.close()
  }
})

test('channels are compared by their bytes, and data is text', async () => {
  await migrate(database.url)
  const columns = await run(`
    select table_name, column_name, data_type, collation_name, is_nullable from information_schema.columns
    where table_schema = 'holdfast' and table_name = 'events' order by ordinal_position`)
  expect(columns).toHaveLength(9)
  expect(columns[2]).toEqual({
    table_name: 'events',
    column_name: 'channel',
    data_type: 'text',
    collation_name: 'C',
    is_nullable: 'NO',
  })
  expect(columns[6]).toMatchObject({ column_name: 'data', data_type: 'text' })
})
