import { integer, text, timestamp } from 'drizzle-orm/pg-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { append } from '../../../test/support/durable-nodes.ts'
import { noHooks, type ProjectionStage, projectionStage } from '../../../test/support/projection-stage.ts'
import { until } from '../../../test/support/until.ts'
import { createOperations } from '../../durable/index.ts'
import { createLogger, transaction } from '../../platform/index.ts'
import { defineProjection } from '../define.ts'
import type { ProjectionHooks } from '../hooks.ts'
import { openReads, type Reads } from '../reading/reads.ts'
import { defineReducer } from '../reducer.ts'
import { createChangeHooks } from './change-hooks.ts'
import { type Change, changedRows } from './change-rows.ts'

let stage: ProjectionStage
let reads: Reads
beforeAll(async () => {
  stage = await projectionStage()
  const logger = createLogger('silent')
  // Of all who connect from now on as a serving node does.
  await stage.sql.unsafe(`alter role ${new URL(stage.runtimeUrl).username} set timezone to 'Asia/Tokyo'`)
  reads = openReads({ url: stage.runtimeUrl, groups: createOperations(stage.sql).groups, logger })
})
afterAll(async () => {
  await reads?.close()
  await stage?.close()
})

const parked = (channel: string) =>
  stage.sql<{ reason: string }[]>`
    select reason from holdfast.deliveries where channel = ${channel} and state = 'parked'`

it('rows are told with their times as a page shows them, whatever the zone of the database', async () => {
  const name = stage.newName()
  const told: Change[] = []
  const hooks: ProjectionHooks = {
    ...noHooks,
    changed: async batch => void told.push(...(await changedRows(batch)).changes),
  }
  const seen = defineProjection({
    name,
    version: 1,
    channels: `${name}:{id}`,
    tables: schema => ({
      seen: schema.table('seen', {
        id: text().primaryKey(),
        at: timestamp({ withTimezone: true }).notNull(),
        made: timestamp().notNull().defaultNow(),
      }),
    }),
    async apply(events, { db, tables, changed }) {
      const rows = events.map(({ id, time }) => ({ id, at: new Date(time) }))
      changed(tables.seen, await db.insert(tables.seen).values(rows).returning())
    },
    changes: 'live:seen',
  })
  await stage.process([seen] as never, { hooks }).work()
  await append(stage.a, `${name}:x`, 1)
  const [change] = await until('it is told', () => (told.length > 0 ? told : undefined))
  // The hook works within the transaction.
  const page = await until('it is there for readers', async () => {
    const read = JSON.parse(await reads.page(name, new URLSearchParams()))
    return read.rows.length > 0 ? read : undefined
  })
  expect([JSON.parse(change?.row ?? '')]).toEqual(page.rows)
  const [row] = page.rows as [{ at: string; made: string }]
  expect(row.at).toMatch(/\+00:00$/)
  expect(Math.abs(Date.parse(`${row.made}Z`) - Date.parse(row.at))).toBeLessThan(3_600_000)
})

it('a row that is only named is told as whoever changes it at this moment leaves it', async () => {
  const name = stage.newName()
  const goods = defineProjection({
    name,
    version: 1,
    channels: `${name}:{id}`,
    tables: schema => ({ goods: schema.table('goods', { id: text().primaryKey(), n: integer() }) }),
    apply: () => undefined,
    changes: 'live:goods',
  })
  await stage.process([goods] as never).work()
  const build = await until('it is made', async () => (await stage.builds(name))[0])
  const table = `holdfast_projections."${build.tables['goods']?.physical}"`
  await stage.sql.unsafe(`insert into ${table} values ('a', 1)`)
  const keys = new Map([['goods', [{ id: 'a' }, { id: 'gone' }]]])
  const batch = { projection: goods as never, build, keys, afterCommit: () => undefined }
  const [named, changed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let ended = false
  const later = transaction(stage.sql, async tx => {
    await tx.unsafe(`insert into ${table} values ('a', 9) on conflict do nothing`)
    named.resolve()
    await changed.promise
    return changedRows({ ...batch, tx }).finally(() => {
      ended = true
    })
  })
  await named.promise
  const first = await transaction(stage.sql, async tx => {
    await tx.unsafe(`update ${table} set n = 2`)
    const rows = await changedRows({ ...batch, tx })
    changed.resolve()
    await until('the other one waits, or does not', async () => {
      const waits = await tx`
        select from pg_locks where not granted and pid <> pg_backend_pid() and locktype = 'transactionid'`
      return ended || waits.length > 0
    })
    return rows
  })
  const second = await later
  expect(BigInt(second.n)).toBeGreaterThan(BigInt(first.n))
  expect(second.changes).toEqual(first.changes)
  expect(first.changes.map(({ row }) => row && JSON.parse(row))).toEqual([{ id: 'a', n: 2 }, null])
})

it('no change goes to a durable channel that the projection reads itself', async () => {
  const name = stage.newName()
  const logger = createLogger('silent')
  const published: string[] = []
  const outlet = {
    isDurable: (channel: string) => !channel.endsWith(':realtime'),
    publish: async (channel: string) => void published.push(channel),
  }
  const counting = defineReducer({
    name,
    version: 1,
    channels: `${name}:{id}`,
    maxAttempts: 1,
    initial: () => 0,
    evolve: n => n + 1,
    changes: key => key,
  })
  const hooks = createChangeHooks({ outlet, changesOf: () => undefined, logger })
  await stage.process([counting] as never, { hooks }).work()
  await append(stage.a, `${name}:x`, 1)
  await append(stage.a, `${name}:realtime`, 1)
  const [found] = await until('it is parked', async () => {
    const rows = await parked(`${name}:x`)
    return rows.length > 0 ? rows : undefined
  })
  expect(found?.reason).toMatch(/feed itself for ever/)
  await until('the other one is told', () => published.includes(`${name}:realtime`))
  expect(await stage.sql`select from holdfast.outbox where channel = ${`${name}:x`}`).toEqual([])
})

it('a table of the build that is missing, and a standby, are no event’s fault', async () => {
  const name = stage.newName()
  let standby = true
  let tried = 0
  const goods = defineProjection({
    name,
    version: 1,
    channels: `${name}:{id}`,
    maxAttempts: 1,
    tables: schema => ({ goods: schema.table('goods', { id: text().primaryKey() }) }),
    async apply(events, { db, tx, tables }) {
      tried++
      if (standby) await tx`set transaction read only`
      await db.insert(tables.goods).values(events.map(({ id }) => ({ id })))
      if (events.some(({ type }) => type === 'Wrong')) await tx`select * from nothing_there`
    },
  })
  await stage.process([goods] as never).work()
  const build = await until('it is made', async () => (await stage.builds(name))[0])
  const table = build.tables['goods']?.physical
  const rename = (from: string, to: string) =>
    stage.sql.unsafe(`alter table holdfast_projections."${from}" rename to "${to}"`)
  await append(stage.a, `${name}:x`, 3)
  await until('it is tried again on a standby', () => tried > 1)
  await rename(`${table}`, `${table}x`)
  standby = false
  const before = tried
  await until('it is tried again without a table', () => tried > before + 1)
  await rename(`${table}x`, `${table}`)
  await until('all are there', async () => (await stage.rows(build, 'goods')).length === 3)
  expect(await parked(`${name}:x`)).toEqual([])
  await stage.a.append({ channel: `${name}:y`, type: 'Wrong', data: '{}' })
  await until('another table is the event’s', async () => (await parked(`${name}:y`)).length === 1)
})
