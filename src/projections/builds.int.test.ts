import { sql as raw } from 'drizzle-orm'
import { integer, text } from 'drizzle-orm/pg-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { append } from '../../test/support/durable-nodes.ts'
import { openDeliveries } from '../../test/support/group-stage.ts'
import { manyKinds } from '../../test/support/many-kinds.ts'
import { type ProjectionStage, projectionStage } from '../../test/support/projection-stage.ts'
import { until } from '../../test/support/until.ts'
import { defineProjection } from './define.ts'
import type { ProjectionHooks } from './hooks.ts'
import { defineReducer } from './reducer.ts'

let stage: ProjectionStage
beforeAll(async () => {
  stage = await projectionStage()
})
afterAll(() => stage?.close())

/** Counts the events of each channel, times a factor that tells versions apart. */
const counting = (name: string, version: number, factor = 1) =>
  defineReducer({
    name,
    version,
    channels: `${name}:{id}`,
    initial: () => ({ count: 0 }),
    evolve: ({ count }) => ({ count: count + factor }),
  })

/** The same with SQL. */
const summing = (name: string, version: number) =>
  defineProjection({
    name,
    version,
    channels: `${name}:{id}`,
    tables: schema => ({
      totals: schema.table('totals', { id: text().primaryKey(), n: integer().notNull().default(0) }),
    }),
    async apply(events, { db, tables: { totals } }) {
      const counts = new Map<string, number>()
      for (const { params } of events) counts.set(params.id, (counts.get(params.id) ?? 0) + 1)
      await db
        .insert(totals)
        .values([...counts].sort().map(([id, n]) => ({ id, n })))
        .onConflictDoUpdate({ target: totals.id, set: { n: raw`${totals.n} + excluded.n` } })
    },
  })

const countsOf = async (name: string) =>
  Object.fromEntries(
    (await stage.rows<{ key: string; state: { count: number } }>(await stage.active(name))).map(row => [
      row.key,
      row.state.count,
    ]),
  )

/** On a busy machine what is in hand may take longer than a drop waits, and a farewell get lost. */
const whenFree = (act: () => Promise<unknown>) =>
  until(
    'it is free',
    () =>
      act().then(
        () => true,
        (error: Error) => {
          if (/try it again|still declare/.test(error.message)) return false
          throw error
        },
      ),
    90_000,
  )

it('the first build is what readers see at once, with what the ledger has and what is appended', async () => {
  const [reduced, summed] = [stage.newName(), stage.newName()]
  await append(stage.a, `${reduced}:x`, 20, { atOnce: true })
  await append(stage.a, `${summed}:x`, 20, { atOnce: true })
  await stage.process([counting(reduced, 1), summing(summed, 1)] as never).work()
  await append(stage.b, `${reduced}:y`, 5)
  await until('all is counted', async () => {
    const counts = await countsOf(reduced)
    return counts[`${reduced}:x`] === 20 && counts[`${reduced}:y`] === 5
  })
  await until('all is summed', async () => {
    const [row] = await stage.rows<{ n: number }>(await stage.active(summed), 'totals')
    return row?.n === 20
  })
  const [view] = await stage.sql.unsafe(`select * from holdfast_projections.${summed}_totals`)
  expect(view).toEqual({ id: 'x', n: 20 })
})

it('a new version is built beside the running one, switched to, and back', async () => {
  const name = stage.newName()
  await append(stage.a, `${name}:x`, 10, { atOnce: true })
  const old = stage.process([counting(name, 1)] as never)
  await old.work()
  await until('v1 is there', async () => (await countsOf(name))[`${name}:x`] === 10)
  const first = await stage.active(name)
  await stage.process([counting(name, 2, 100)] as never).work()
  const second = await stage.switchedFrom(name, first.id)
  expect(second).toMatchObject({ version: 2, state: 'active' })
  expect(await countsOf(name)).toEqual({ [`${name}:x`]: 1000 })
  expect((await stage.builds(name)).map(({ version, state }) => [version, state])).toEqual([
    [1, 'standby'],
    [2, 'active'],
  ])
  await append(stage.a, `${name}:x`, 1)
  await until('the standby build goes on', async () => {
    const [row] = await stage.rows<{ state: { count: number } }>({ ...first })
    return row?.state.count === 11
  })
  expect(await stage.acts.switchBack(name, { actor: 'me' })).toMatchObject({
    build: first.id,
    previous: second.id,
  })
  expect(await countsOf(name)).toEqual({ [`${name}:x`]: 11 })
  const [view] = await stage.sql.unsafe(`select state from holdfast_projections.${name}_states`)
  expect(view).toEqual({ state: { count: 11 } })
  await whenFree(() => stage.acts.drop(name, second.id, { actor: 'me' }))
  expect(await stage.sql`select from holdfast.groups where name = ${second.group}`).toEqual([])
  const channel = `${name}:x`
  await stage.sql`
    select holdfast.remove_events(${stage.epoch}, ${stage.bare.partitionOf(channel)}, ${channel}, 2, 100)`
  // No build of this version is left to tell which channels it reads.
  expect(await stage.acts.rebuild(name, { actor: 'me' }, 2)).toMatchObject({ cutChannels: 1 })
})

it('several processes at once make one build, and each does its part', async () => {
  const name = stage.newName()
  await append(stage.a, `${name}:x`, 5)
  const processes = Array.from({ length: 4 }, () => stage.process([counting(name, 1)] as never))
  await Promise.all(processes.map(one => one.work()))
  expect(await stage.builds(name)).toHaveLength(1)
  await until('all is counted once', async () => (await countsOf(name))[`${name}:x`] === 5)
})

it('the same version with other tables is refused, and leaves what there is as it is', async () => {
  const name = stage.newName()
  await stage.process([summing(name, 1)] as never).work()
  const other = defineProjection({
    name,
    version: 1,
    channels: `${name}:{id}`,
    tables: schema => ({ totals: schema.table('totals', { id: text().primaryKey() }) }),
    apply: () => undefined,
  })
  await expect(stage.process([other] as never).work()).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('raise the version'),
  })
  expect(await stage.builds(name)).toMatchObject([{ state: 'active' }])
})

it('every kind of table that can be declared can be made, by the role of a serving node', async () => {
  const name = stage.newName()
  const { lines } = manyKinds
  const all = defineProjection({
    name,
    version: 1,
    channels: `${name}:{id}`,
    tables: schema => ({ lines: schema.table('lines', lines.columns, lines.extra as never) }),
    async apply(events, { db, tables }) {
      await db.insert(tables.lines).values(
        events.map(({ offset }) => ({
          order: '0189d5a1-0000-7000-8000-000000000000',
          line: offset,
          code: `${offset}`,
        })),
      )
    },
  })
  await stage.process([all] as never).work()
  await append(stage.a, `${name}:x`, 2)
  const rows = await until('both are there', async () => {
    const found = await stage.rows(await stage.active(name), 'lines')
    return found.length === 2 ? found : undefined
  })
  expect(rows[0]).toMatchObject({
    code: '1',
    amount: '0.00',
    state: "it's new",
    tags: '{}',
    label: '1',
    n: 1,
  })
  const [owner] = await stage.sql`
    select tableowner from pg_tables where tablename = ${`${name}_lines_${(await stage.active(name)).id}`}`
  expect(owner).toEqual({ tableowner: 'holdfast_runtime' })
})

it('tables that Postgres does not make are the mistake of the definition', async () => {
  const name = stage.newName()
  const wrong = defineProjection({
    name,
    version: 1,
    channels: `${name}:{id}`,
    tables: schema => ({
      a: schema.table('a', { id: text().primaryKey().default(raw`no_such_function()`) }),
    }),
    apply: () => undefined,
  })
  await expect(stage.process([wrong] as never).work()).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('no_such_function'),
  })
  expect(await stage.builds(name)).toEqual([])
})

it('two projections that would have one view are told', async () => {
  const name = stage.newName()
  const table = (projection: string, own: string) =>
    defineProjection({
      name: projection,
      version: 1,
      channels: `${name}:{id}`,
      tables: schema => ({ a: schema.table(own, { id: text().primaryKey() }) }),
      apply: () => undefined,
    })
  await stage.process([table(name, 'a_b')] as never).work()
  await expect(stage.process([table(`${name}_a`, 'b')] as never).work()).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining(`${name}_a_b`),
  })
})

it('a build in which a channel is parked that is not parked in the running one stays unseen', async () => {
  const name = stage.newName()
  await append(stage.a, `${name}:x`, 3)
  await append(stage.a, `${name}:y`, 3)
  await stage.process([counting(name, 1)] as never).work()
  await until('v1 is there', async () => (await countsOf(name))[`${name}:y`] === 3)
  const first = await stage.active(name)
  const faulty = defineReducer({
    name,
    version: 2,
    channels: `${name}:{id}`,
    maxAttempts: 1,
    initial: () => ({ count: 0 }),
    evolve({ count }, { params, offset }) {
      if (params.id === 'x' && offset === 2) throw new Error('cannot be told')
      return { count: count + 10 }
    },
  })
  await stage.process([faulty] as never).work()
  const second = await until('v2 has parked it', async () => {
    const build = (await stage.builds(name)).at(-1)
    const open = await openDeliveries(stage.database, build?.group ?? '')
    return open.some(({ state }) => state === 'parked') && build?.caughtUp ? build : undefined
  })
  expect(await openDeliveries(stage.database, second.group)).toMatchObject([
    { channel: `${name}:x`, offset: 2, state: 'parked' },
    { channel: `${name}:x`, offset: 3, state: 'waiting' },
  ])
  expect((await stage.active(name)).id).toBe(first.id)
  await stage.sql`
    update holdfast.deliveries set state = 'discarded' where consumer = ${`group/${second.group}`}`
  expect((await stage.switchedFrom(name, first.id)).id).toBe(second.id)
})

it('a rebuild is a new build of the same version, and one at a time', async () => {
  const name = stage.newName()
  const by = { actor: 'me', reason: 'to be sure' }
  await expect(stage.acts.rebuild(name, by)).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
  await append(stage.a, `${name}:x`, 3)
  const runner = stage.process([counting(name, 1)] as never)
  await runner.work()
  await until('it is there', async () => (await countsOf(name))[`${name}:x`] === 3)
  const first = await stage.active(name)
  await expect(stage.acts.rebuild(name, by, 2)).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
  const { build } = await stage.acts.rebuild(name, by)
  await expect(stage.acts.rebuild(name, by)).rejects.toMatchObject({
    code: 'REQUEST_INVALID',
    details: { build },
  })
  expect(await stage.switchedFrom(name, first.id)).toMatchObject({ id: build, version: 1, requestedBy: 'me' })
  expect(await countsOf(name)).toEqual({ [`${name}:x`]: 3 })

  await expect(stage.acts.drop(name, build, by)).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
  await whenFree(() => stage.acts.drop(name, first.id, by))
  await expect(stage.acts.drop(name, first.id, by)).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
  await expect(stage.acts.switchBack(name, by)).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
  expect(
    await stage.sql`select to_regclass(${`holdfast_projections.${first.tables['states']?.physical}`}) as t`,
  ).toEqual([{ t: null }])
  expect(
    (
      await stage.sql`select act from holdfast.acts where target like ${`projection ${name} %`} order by id`
    ).map(({ act }) => act),
  ).toEqual(['rebuild_projection', 'switch_projection', 'drop_projection_build'])

  expect(await stage.acts.pause(name, by)).toEqual({ changed: true })
  await append(stage.a, `${name}:x`, 1)
  expect(await stage.acts.resume(name, by)).toEqual({ changed: true })
  await until('it goes on', async () => (await countsOf(name))[`${name}:x`] === 4)

  await expect(stage.acts.remove(name, by)).rejects.toMatchObject({
    message: expect.stringContaining('worker-'),
  })
  await runner.close(1_000)
  await whenFree(() => stage.acts.remove(name, by))
  expect(await stage.builds(name)).toEqual([])
  expect(
    await stage.sql`select from holdfast.groups where name like ${`holdfast.projection-${name}-%`}`,
  ).toEqual([])
  expect(await stage.sql`select to_regclass(${`holdfast_projections.${name}_states`}) as view`).toEqual([
    { view: null },
  ])
  // And from the beginning.
  await stage.process([counting(name, 1, 2)] as never).work()
  await until('it is there again', async () => (await countsOf(name))[`${name}:x`] === 8)
})

it('older code that is started beside newer one takes no reader back', async () => {
  const name = stage.newName()
  await append(stage.a, `${name}:x`, 3)
  await stage.process([counting(name, 3)] as never).work()
  await stage.process([counting(name, 2)] as never).work()
  await until('the older version stands by', async () => {
    const states = (await stage.builds(name)).map(({ version, state }) => `${version} ${state}`)
    return states.join() === '3 active,2 standby'
  })
})

it('a version whose build was dropped is not built again by itself', async () => {
  const name = stage.newName()
  await stage.process([counting(name, 1)] as never).work()
  const first = await stage.active(name)
  await stage.process([counting(name, 2)] as never).work()
  const second = await stage.switchedFrom(name, first.id)
  await whenFree(() => stage.acts.drop(name, first.id, { actor: 'me' }))
  await stage.process([counting(name, 1)] as never).work()
  expect((await stage.builds(name)).map(({ state }) => state)).toEqual(['dropped', 'active'])
  const { build } = await stage.acts.rebuild(name, { actor: 'me' }, 1)
  expect((await stage.switchedFrom(name, second.id)).id).toBe(build)
})

it('whoever reads by SQL keeps the view and what was granted on it, whatever its columns become', async () => {
  const name = stage.newName()
  await stage.process([summing(name, 1)] as never).work()
  const first = await stage.active(name)
  await stage.sql.unsafe(`grant select on holdfast_projections.${name}_totals to public`)
  await stage.sql.unsafe(`create view public.${name}_mine as select 1 as one`)
  const wider = defineProjection({
    name,
    version: 2,
    channels: `${name}:{id}`,
    tables: schema => ({
      totals: schema.table('totals', { name: text().primaryKey(), n: integer() }),
      more: schema.table('more', { id: text().primaryKey() }),
    }),
    apply: (events, { db, tables: { more } }) =>
      db
        .insert(more)
        .values(events.map(({ id }) => ({ id })))
        .then(() => undefined),
  })
  await stage.process([wider] as never).work()
  await stage.switchedFrom(name, first.id)
  const granted = await stage.sql`
    select table_name, grantee, privilege_type from information_schema.role_table_grants
    where table_schema = 'holdfast_projections' and table_name like ${`${name}\\_%`} and grantee = 'PUBLIC'`
  expect(granted).toEqual([{ table_name: `${name}_totals`, grantee: 'PUBLIC', privilege_type: 'SELECT' }])
  await append(stage.a, `${name}:x`, 2)
  await until('the new view shows rows', async () => {
    const rows = await stage.sql.unsafe(`select * from holdfast_projections.${name}_more`)
    return rows.length === 2
  })
  await stage.acts.switchBack(name, { actor: 'me' })
  expect(await stage.sql`select to_regclass(${`holdfast_projections.${name}_more`}) as view`).toEqual([
    { view: null },
  ])
})

it('apply knows whether readers see the build, and only then its changes are told', async () => {
  const name = stage.newName()
  const calls: [number, boolean][] = []
  const told: [number, unknown][] = []
  const hooks: ProjectionHooks = {
    async changed({ build, keys, tx }) {
      const [row] = await tx<{ one: number }[]>`select 1 as one`
      told.push([build.version, [...keys], row?.one] as never)
    },
    switched:
      async ({ build, previous }) =>
      () =>
        void told.push([build.version, previous?.version]),
  }
  const telling = (version: number) =>
    defineProjection({
      name,
      version,
      channels: `${name}:{id}`,
      changes: 'nobody',
      tables: schema => ({
        seen: schema.table('seen', { eventOffset: integer('event_offset').primaryKey(), note: text() }),
      }),
      async apply(events, { db, tables: { seen }, building, changed }) {
        calls.push([version, building])
        const rows = await db
          .insert(seen)
          .values(events.map(({ offset }) => ({ eventOffset: offset })))
          .returning()
        changed(seen, rows)
        changed(seen, rows)
        expect(() => changed(seen, [{ note: 'no key' }])).toThrow(/primary key/)
      },
    })
  await append(stage.a, `${name}:x`, 1)
  await stage.process([telling(1)] as never, { hooks }).work()
  await until('it is told of', () => told.length === 1)
  const first = await stage.active(name)
  await stage.process([telling(2)] as never, { hooks }).work()
  await stage.switchedFrom(name, first.id)
  await until('the switch is told of', () => told.length === 2)
  await append(stage.a, `${name}:x`, 1)
  await until('both have it', () => calls.length === 4)
  await until('the new one tells', () => told.length === 3)
  const keys = (n: number) => [['seen', [{ event_offset: n }]]]
  expect(told).toEqual([
    [1, keys(1), 1],
    [2, 1],
    [2, keys(2), 1],
  ])
  expect(calls.sort()).toEqual([
    [1, false],
    [1, true],
    [2, false],
    [2, true],
  ])
})

it('what is declared while the process works begins at once; twice is refused', async () => {
  const name = stage.newName()
  const runner = stage.process([])
  await runner.work()
  await append(stage.a, `${name}:x`, 2)
  runner.declare(counting(name, 1) as never)
  expect(() => runner.declare(counting(name, 1) as never)).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID' }),
  )
  await until('it is counted', async () => {
    const [build] = await stage.builds(name)
    return build?.tables['states'] && (await countsOf(name))[`${name}:x`] === 2
  })
})

it('a rebuild says where retention has removed what the old build has', async () => {
  const name = stage.newName()
  const channel = `${name}:x`
  await append(stage.a, channel, 3)
  await stage.process([counting(name, 1)] as never).work()
  await until('it is there', async () => (await countsOf(name))[channel] === 3)
  const first = await stage.active(name)
  await stage.sql`
    select holdfast.remove_events(${stage.epoch}, ${stage.bare.partitionOf(channel)}, ${channel}, 2, 100)`
  // While the log has them, a rebuild has them too.
  await stage.redis.flushall()
  const { cutChannels } = await stage.acts.rebuild(name, { actor: 'me' })
  expect(cutChannels).toBe(1)
  await stage.switchedFrom(name, first.id)
  expect(await countsOf(name)).toEqual({ [channel]: 1 })
})
