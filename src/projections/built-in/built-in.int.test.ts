import { readFile } from 'node:fs/promises'
import { eq, sql as raw } from 'drizzle-orm'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { type FreshDatabase, freshDatabase } from '../../../test/support/database.ts'
import { seeded } from '../../../test/support/seeded.ts'
import { type HandlerEvent, migrate } from '../../durable/index.ts'
import { connectPostgres, ormOver, parseConfig, type Sql, transaction } from '../../platform/index.ts'
import { boundTables, viewName } from '../bound-tables.ts'
import { tableStatements } from '../ddl.ts'
import type { Projection, ProjectionDb, ProjectionTables } from '../types.ts'
import { builtInProjections } from './built-in.ts'
import { channelActivity, perMinuteNow } from './channel-activity.ts'
import { deliveries, isSampled } from './deliveries.ts'
import { quakesByRegion, regionOf } from './quakes-by-region.ts'

let database: FreshDatabase
let sql: Sql
beforeAll(async () => {
  database = await freshDatabase(inject('postgresUrl'))
  await migrate(database.url)
  sql = connectPostgres(database.url, { max: 2, applicationName: 'holdfast-test', orm: true })
})
afterAll(async () => {
  await sql?.end({ timeout: 1 })
  await database?.drop()
})

let build = 0
/** A build's tables, and what a batch does to them. */
async function made<Tables extends ProjectionTables>(projection: Projection<Tables>) {
  const number = ++build
  const { tables, byName } = boundTables(projection, name => `${viewName(projection.name, name)}_${number}`)
  for (const table of byName.values())
    for (const statement of tableStatements(projection.name, table)) await sql.unsafe(statement)
  const changed: unknown[] = []
  return {
    tables,
    changed,
    apply: (events: readonly HandlerEvent[]) =>
      transaction(sql, async tx => {
        await projection.apply(events, {
          ...{ db: ormOver(tx), tx, tables, building: false, signal: new AbortController().signal },
          changed: (_, rows) => changed.push(...rows),
          heartbeat: async () => undefined,
          afterCommit: () => undefined,
        })
      }),
    read: <T>(query: (db: ProjectionDb) => Promise<T>) =>
      transaction(sql, tx => query(ormOver(tx) as ProjectionDb)),
  }
}

let position = 0
function event(channel: string, offset: number, more: Partial<HandlerEvent> = {}): HandlerEvent {
  position++
  return {
    id: `00000000-0000-7000-8000-${String(position).padStart(12, '0')}`,
    ...{ type: 'Said', channel, params: {}, offset, partition: 0, position, epoch: 'e', data: {} },
    ...{ time: 1_700_000_000_000, info: undefined },
    ...more,
  }
}

it('tells each channel’s last event, their number, and their rate, in whatever batches they come', async () => {
  const start = Date.now() - 600_000
  const events = Array.from({ length: 300 }, (_, i) =>
    event('chat:1', i + 5, { time: start + i * 2_000, type: `T${i}` }),
  )
  events.splice(100, 0, event('$chat:2', 1), event('plain', 1))
  const [one, other] = [await made(channelActivity()), await made(channelActivity())]
  await one.apply(events)
  const random = seeded(7)
  for (const rest = [...events]; rest.length > 0; ) await other.apply(rest.splice(0, 1 + random() * 40))
  const rows = (of: typeof one) =>
    of.read(db => db.select().from(of.tables.channels).orderBy(of.tables.channels.channel))
  const [secret, chat, plain] = await rows(one)
  expect(secret).toMatchObject({ channel: '$chat:2', namespace: 'chat', events: 1 })
  expect(plain).toMatchObject({ channel: 'plain', namespace: '', events: 1 })
  const last = events.at(-1)
  expect(chat).toMatchObject({
    events: 304,
    lastType: 'T299',
    lastId: last?.id,
    lastTime: new Date(last?.time ?? 0),
  })
  // One every two seconds; an event counts for more right after it than a moment before the next.
  expect(chat?.perMinute).toBeGreaterThan(29)
  expect(chat?.perMinute).toBeLessThan(31.5)
  const split = await rows(other)
  expect(split[1]?.perMinute).toBeCloseTo(chat?.perMinute ?? 0, 8)
  expect({ ...split[1], perMinute: 0 }).toEqual({ ...chat, perMinute: 0 })
  expect(one.changed).toHaveLength(3)

  const now = await one.read(db =>
    db
      .select({
        channel: one.tables.channels.channel,
        rate: perMinuteNow(one.tables),
        at: raw<string>`now()`,
      })
      .from(one.tables.channels)
      .where(eq(one.tables.channels.channel, 'chat:1')),
  )
  const minutes = (Date.parse(now[0]?.at ?? '') - (last?.time ?? 0)) / 60_000
  expect(now[0]?.rate).toBeCloseTo((chat?.perMinute ?? 0) * 2 ** -minutes, 3)
})

it('keeps a rate that is nearly nothing, and one whose clock went back', async () => {
  const { tables, apply, read } = await made(channelActivity())
  const row = async () => (await read(db => db.select().from(tables.channels)))[0]
  await apply([event('a', 1, { time: 1_000 })])
  await apply([event('a', 2, { time: 1_700_000_000_000 })])
  expect((await row())?.perMinute).toBeCloseTo(Math.LN2, 10)
  await apply([event('a', 3, { time: 1_600_000_000_000 })])
  expect((await row())?.perMinute).toBeCloseTo(2 * Math.LN2, 10)
  expect((await row())?.events).toBe(3)
})

it('counts the demo’s earthquakes by region, whatever the batches, and passes by what is none', async () => {
  const file = new URL('../data/earthquakes.json', import.meta.resolve('vega-datasets'))
  type Feature = { properties: { time: number; mag: number | null; place: string } }
  const { features } = JSON.parse(await readFile(file, 'utf8')) as { features: Feature[] }
  const events = features.map((data, i) => event('quakes:all', i + 1, { data }))
  for (const data of [null, 7, {}, { properties: { place: 'x', time: 'now', mag: 1 } }])
    events.push(event('quakes:all', events.length + 1, { data }))
  const { tables, apply, read, changed } = await made(quakesByRegion())
  const random = seeded(3)
  for (const rest = [...events]; rest.length > 0; ) await apply(rest.splice(0, 1 + random() * 500))
  const rows = await read(db => db.select().from(tables.regions))
  const expected = Map.groupBy(features, ({ properties }) => regionOf(properties.place))
  expect(new Map(rows.map(({ region, quakes }) => [region, quakes]))).toEqual(
    new Map([...expected].map(([region, { length }]) => [region, length])),
  )
  expect(expected.get('California')?.length).toBe(825)
  for (const row of rows) {
    const all = expected.get(row.region)?.map(({ properties }) => properties) ?? []
    const most = Math.max(...all.map(({ mag }) => mag ?? -Infinity))
    const first = all.find(({ mag }) => mag === most)
    expect(row.strongest).toBeCloseTo(most, 3)
    expect([row.strongestPlace, row.strongestTime?.getTime()]).toEqual([first?.place, first?.time])
    const latest = Math.max(...all.map(({ time }) => time))
    expect(row.latestTime.getTime()).toBe(latest)
    expect(all.findLast(({ time }) => time === latest)?.place).toBe(row.latestPlace)
  }
  expect(new Set(changed.map(row => (row as { region: string }).region)).size).toBe(rows.length)
})

it('names regions as people do', () => {
  expect(regionOf('4km W of Castaic, CA')).toBe('California')
  expect(regionOf('Gulf of Alaska')).toBe('Gulf of Alaska')
  expect(regionOf('10km S of X, Y, Papua New Guinea')).toBe('Papua New Guinea')
  expect(regionOf('nowhere, ')).toBe('nowhere, ')
})

it('has a row for each chosen event that is not too old yet', async () => {
  const events = Array.from({ length: 200 }, (_, i) =>
    event('order:1', i + 1, { time: Date.now(), id: crypto.randomUUID() }),
  )
  const old = event('order:2', 1, { time: Date.now() - 61_000 })
  const all = await made(deliveries({ channels: 'order:*', keepSeconds: 60 }))
  await all.apply([...events, old])
  const rows = await all.read(db => db.select().from(all.tables.events).orderBy(all.tables.events.position))
  expect(rows.map(({ id }) => id)).toEqual(events.map(({ id }) => id))
  expect(rows[0]).toMatchObject({ consumers: {}, open: true, mirrored: null, settled: null, offset: 1 })
  // After a lossy failover its place is another event's.
  const again = event('order:1', 1, { time: Date.now(), id: crypto.randomUUID() })
  await all.apply([again])
  const first = eq(all.tables.events.position, again.position)
  expect(await all.read(db => db.select().from(all.tables.events).where(first))).toMatchObject([
    { offset: 1, id: again.id },
  ])

  const some = await made(deliveries({ channels: 'order:*', sample: 0.25 }))
  await some.apply(events)
  const chosen = events.filter(({ id }) => isSampled(id, 0.25)).length
  expect(await some.read(db => db.$count(some.tables.events))).toBe(chosen)
  expect(chosen).toBeGreaterThan(20)
  expect(chosen).toBeLessThan(90)
})

it('is switched on by the configuration', () => {
  expect(parseConfig({}).projections).toEqual({})
  const { projections } = parseConfig({
    projections: {
      channelActivity: {},
      deliveries: { channels: ['order:*'] },
      quakesByRegion: { channels: ['quakes:all'], changes: 'live:quakes' },
    },
  })
  expect(
    builtInProjections(projections).map(({ name, channels, changes }) => [name, channels, changes]),
  ).toEqual([
    ['channel_activity', ['*'], undefined],
    ['deliveries', ['order:*'], undefined],
    ['quakes_by_region', ['quakes:all'], 'live:quakes'],
  ])
  for (const bad of [
    { channelActivity: { channels: ['a{'] } },
    { quakesByRegion: { changes: 'a b' } },
    { deliveries: {} },
    { deliveries: { channels: [] } },
    { deliveries: { channels: ['*'], sample: 0 } },
    { orders: {} },
  ])
    expect(() => parseConfig({ projections: bad })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    )
})
