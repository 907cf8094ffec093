import { sql as raw } from 'drizzle-orm'
import { integer, text } from 'drizzle-orm/pg-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { append } from '../../test/support/durable-nodes.ts'
import { type ProjectionStage, projectionStage } from '../../test/support/projection-stage.ts'
import { until } from '../../test/support/until.ts'
import { defineProjection } from './define.ts'
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
  await stage.acts.drop(name, second.id, { actor: 'me' })
  expect(await stage.sql`select from holdfast.groups where name = ${second.group}`).toEqual([])
})
