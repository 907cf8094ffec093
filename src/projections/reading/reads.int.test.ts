import { sql as raw } from 'drizzle-orm'
import { bigint, integer, jsonb, numeric, primaryKey, text, timestamp, varchar } from 'drizzle-orm/pg-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { append } from '../../../test/support/durable-nodes.ts'
import { type ProjectionStage, projectionStage } from '../../../test/support/projection-stage.ts'
import { until } from '../../../test/support/until.ts'
import { createOperations } from '../../durable/index.ts'
import { createLogger, transaction } from '../../platform/index.ts'
import { defineProjection } from '../define.ts'
import { defineReducer } from '../reducer.ts'
import type { KnownBuild } from '../registry.ts'
import { openReads, type Reads } from './reads.ts'

let stage: ProjectionStage
let reads: Reads
beforeAll(async () => {
  stage = await projectionStage()
  reads = openReads(readsOptions())
})
afterAll(async () => {
  await reads?.close()
  await stage?.close()
})

const readsOptions = () => ({
  url: stage.runtimeUrl,
  groups: createOperations(stage.sql).groups,
  logger: createLogger('silent'),
})

interface Page {
  readonly build: number
  readonly version: number
  readonly table: string
  readonly rows: readonly Record<string, unknown>[]
  readonly next?: string
}

async function page(projection: string, query = ''): Promise<Page> {
  return JSON.parse(await reads.page(projection, new URLSearchParams(query)))
}

const refusal = (projection: string, query: string) =>
  reads.page(projection, new URLSearchParams(query)).then(
    () => 'answered',
    error => `${error.code}: ${error.message}`,
  )

/** Counts events per channel; a factor tells versions apart. An event of the type `Poison` is refused. */
const counting = (name: string, version = 1, factor = 1) =>
  defineReducer({
    name,
    version,
    channels: `${name}:{id}`,
    maxAttempts: 1,
    initial: () => ({ count: 0 }),
    evolve: ({ count }, event) => {
      if ((event.type as string) === 'Poison') throw new Error('it is poisoned')
      return { count: count + factor }
    },
  })

describe('a page of a table', () => {
  let name: string
  const goods = (projection: string) =>
    defineProjection({
      name: projection,
      version: 1,
      channels: `${projection}:{id}`,
      tables: schema => ({
        goods: schema.table(
          'goods',
          {
            shop: text().notNull(),
            id: bigint({ mode: 'number' }).notNull(),
            title: varchar({ length: 5 }),
            price: numeric({ precision: 12, scale: 2 }),
            madeAt: timestamp('made_at', { withTimezone: true }),
            tags: jsonb(),
          },
          table => [primaryKey({ columns: [table.shop, table.id] })],
        ),
        limit: schema.table('limits', { limit: integer().primaryKey(), order: text() }),
      }),
      apply: () => undefined,
    })
  let build: KnownBuild

  beforeAll(async () => {
    name = stage.newName()
    await stage.process([goods(name)] as never).work()
    build = await until('it is made', async () => (await stage.builds(name))[0])
    const { physical } = build.tables['goods'] as { physical: string }
    await stage.sql.unsafe(`
      insert into holdfast_projections."${physical}"
      select case when n % 2 = 0 then 'a' else 'b' end, n, case when n % 3 > 0 then 't' || n % 5 end,
             case when n % 7 > 0 then n % 4 + 0.50 end,
             timestamptz '2026-01-01T00:00:00.123456Z' + n * interval '1 minute', '{"n": [1, 2]}'
      from generate_series(1, 60) as n`)
    await stage.sql.unsafe(
      `insert into holdfast_projections."${build.tables['limits']?.physical}" values (3, 'x''"; drop table y')`,
    )
  })

  it('has rows by their columns’ names, as JSON', async () => {
    const { rows, ...rest } = await page(name, 'table=goods&shop=a&id=14')
    expect(rest).toEqual({ projection: name, version: 1, build: build.id, table: 'goods' })
    expect(rows).toEqual([
      {
        shop: 'a',
        id: 14,
        title: 't4',
        price: null,
        made_at: '2026-01-01T00:14:00.123456+00:00',
        tags: { n: [1, 2] },
      },
    ])
  })

  it.each<[string, (row: { n: number; title: string | null; price: number | null }) => boolean]>([
    ['id[gt]=40', ({ n }) => n > 40],
    ['id[gte]=40&id[lt]=50', ({ n }) => n >= 40 && n < 50],
    ['id[lte]=3', ({ n }) => n <= 3],
    ['id[in]=1,2,99', ({ n }) => n < 3],
    ['title[in]=["t1","t2"]', ({ title }) => title === 't1' || title === 't2'],
    ['title[ne]=t1', ({ title }) => title !== 't1'],
    ['title[null]=true', ({ title }) => title === null],
    ['price[null]=false&price[gt]=1.5', ({ price }) => price !== null && price > 1.5],
    ['price=1.5', ({ price }) => price === 1.5],
    // What a column can't hold equals nothing, instead of being cut or rounded to something that it holds.
    ['price=1.501', () => false],
    ['title=t1xxxx', () => false],
    ['title[like]=t_', ({ title }) => title !== null],
    ['madeAt[lt]=2026-01-01T01:11:00%2B01:00', ({ n }) => n < 11],
    ["title=x' or true --", () => false],
  ])('%s', async (query, fits) => {
    const expected = Array.from({ length: 60 }, (_, i) => i + 1)
      .map(n => ({ n, title: n % 3 > 0 ? `t${n % 5}` : null, price: n % 7 > 0 ? (n % 4) + 0.5 : null }))
      .filter(fits)
      .map(({ n }) => n)
    const { rows } = await page(name, `table=goods&order=id&${query}`)
    expect(rows.map(({ id }) => id)).toEqual(expected)
  })

  it.each(['', 'id', '-id', 'title,-price', '-title', 'price,-shop', '-made_at,title', '-price,title,-id'])(
    'goes on where the one before ended, ordered by %j, with every row once',
    async order => {
      const all = (await page(name, `table=goods&limit=1000&order=${order}`)).rows
      expect(all).toHaveLength(60)
      for (const limit of [1, 7, 60]) {
        const seen: unknown[] = []
        let after = ''
        do {
          const { rows, next } = await page(name, `table=goods&limit=${limit}&order=${order}&after=${after}`)
          seen.push(...rows)
          after = next ?? ''
        } while (after !== '' && seen.length <= 60)
        expect(seen).toEqual(all)
      }
    },
  )

  it('ends a page of large rows early, and goes on behind them', async () => {
    const { physical } = build.tables['limits'] as { physical: string }
    await stage.sql.unsafe(
      `insert into holdfast_projections."${physical}" select n, repeat('x', 1000000) from generate_series(101, 112) as n`,
    )
    const first = await page(name, 'table=limits&limit[gt]=100')
    expect(first.rows.map(({ limit }) => limit)).toEqual([101, 102, 103, 104, 105])
    const { rows } = await page(name, `table=limits&limit[gt]=100&after=${first.next}`)
    expect(rows[0]?.['limit']).toBe(106)
    await stage.sql.unsafe(`delete from holdfast_projections."${physical}" where "limit" > 100`)
  })

  it('takes columns that are called as a parameter is, with an operator', async () => {
    const { rows } = await page(name, `table=limits&limit[eq]=3&order[like]=x%25`)
    expect(rows).toEqual([{ limit: 3, order: `x'"; drop table y` }])
  })

  it.each([
    ['', /REQUEST_INVALID: table: expected one of goods, limits, got nothing/],
    ['table=secrets', /REQUEST_INVALID: table: expected one of goods, limits, got "secrets"/],
    ['table=goods&colour=red', /no column "colour"; there are shop, id, title/],
    ['table=goods&"=1', /no column "\\""/],
    ['table=goods&id[about]=1', /expected one of eq, ne, .*, got "about"/],
    ['table=goods&id[like]=1', /only texts can be searched so, and id is bigint/],
    ['table=goods&id=seven', /REQUEST_INVALID: invalid input syntax for type bigint: "seven"/],
    ['table=goods&id=99999999999999999999', /REQUEST_INVALID: .*out of range/],
    ['table=goods&made_at=yesterdayish', /REQUEST_INVALID: invalid input syntax/],
    ['table=goods&title[null]=perhaps', /expected true or false/],
    ['table=goods&id[in]=[{}]', /or a JSON array/],
    ['table=goods&order=id,id', /a column is named twice/],
    ['table=goods&limit=0', /limit: expected a whole number from 1 to 1000/],
    ['table=goods&limit=10&limit=20', /limit: it is given twice/],
    ['table=goods&after=bm90aGluZw', /expected the `next` of a page/],
    ['table=goods&atLeast=order', /atLeast: expected <channel>@<offset>/],
    ['table=goods&withinMs=99999', /withinMs: expected a whole number from 0 to 20000/],
  ])('refuses %j with what is wrong', async (query, said) => {
    expect(await refusal(name, query)).toMatch(said)
  })

  it('refuses a cursor of another order, and a name that nobody has', async () => {
    const { next } = await page(name, 'table=goods&limit=1')
    expect(await refusal(name, `table=goods&order=-id&after=${next}`)).toMatch(
      /it belongs to another table or order/,
    )
    expect(await refusal('nobody', '')).toMatch(/REQUEST_INVALID: there is no projection "nobody"/)
  })
})

it('slow pages keep no query of the application’s waiting, and are refused when there are too many', async () => {
  const [name, other] = [stage.newName(), stage.newName()]
  const reducer = counting(other)
  await stage.process([counting(name), reducer] as never).work()
  await page(name)
  await append(stage.a, `${other}:x`, 1)
  const handle = reads.reducerHandle(reducer)
  await until('it is counted', async () => (await handle.get(`${other}:x`)) !== undefined)
  const [build] = await stage.builds(name)
  let ended = 0
  const asked = await transaction(stage.sql, async tx => {
    await tx.unsafe(`lock table holdfast_projections."${build?.tables['states']?.physical}"`)
    const pages = Array.from({ length: 70 }, () => refusal(name, '').finally(() => ended++))
    await until('those that are too many are refused', () => ended === 6)
    expect(await handle.get(`${other}:x`)).toEqual({ count: 1 })
    expect((await handle.status()).name).toBe(other)
    expect(ended).toBe(6)
    return pages
  })
  const ends = await Promise.all(asked)
  expect(ends.filter(end => end === 'answered')).toHaveLength(64)
  expect(ends.filter(end => end.startsWith('OVERLOADED'))).toHaveLength(6)
})

describe('who asks for at least an event', () => {
  it('has it in the answer, always', async () => {
    const name = stage.newName()
    const reducer = counting(name)
    await stage.process([reducer] as never).work()
    const handle = reads.reducerHandle(reducer)
    for (let i = 1; i <= 15; i++) {
      const channel = `${name}:x@${i % 3}`
      const [offset = 0] = await append(stage.a, channel, 1)
      const atLeast = { channel, offset, epoch: stage.epoch }
      const [state, { rows }] = await Promise.all([
        handle.get(channel, { atLeast }),
        page(name, `key=${channel}&atLeast=${channel}@${atLeast.offset}`),
      ])
      expect(state).toEqual({ count: atLeast.offset })
      expect(rows).toMatchObject([{ state: { count: atLeast.offset } }])
    }
    expect(await handle.list({ limit: 2, after: `${name}:x@0` })).toMatchObject([
      { key: `${name}:x@1`, state: { count: 5 } },
      { key: `${name}:x@2`, state: { count: 5 } },
    ])
  })

  it('hears at once that the channel is parked, and others are not disturbed', async () => {
    const name = stage.newName()
    await stage.process([counting(name)] as never).work()
    const [sick, well] = [`${name}:sick`, `${name}:well`]
    await append(stage.a, sick, 1)
    await stage.a.append({ channel: sick, type: 'Poison', data: '{}' })
    await append(stage.a, sick, 1)
    await append(stage.a, well, 1)
    await until('it is parked', async () =>
      (await refusal(name, `atLeast=${sick}@3&withinMs=0`)).startsWith('PROJECTION_PARKED'),
    )
    const begun = performance.now()
    expect(await refusal(name, `atLeast=${sick}@3&withinMs=20000`)).toMatch(
      /set aside event 2 of .*:sick, and will not go on to event 3 .*it is poisoned/,
    )
    expect(performance.now() - begun).toBeLessThan(10_000)
    expect((await page(name, `atLeast=${sick}@1&key=${sick}`)).rows).toMatchObject([{ state: { count: 1 } }])
    expect((await page(name, `atLeast=${well}@1&key=${well}`)).rows).toMatchObject([{ state: { count: 1 } }])
  })

  it('is told when its time is over, what does not exist, and what belongs to another epoch', async () => {
    const name = stage.newName()
    await stage.process([counting(name)] as never).work()
    const channel = `${name}:x`
    await append(stage.a, channel, 1)
    await page(name, `atLeast=${channel}@1`)
    await stage.acts.pause(name, { actor: 'me' })
    await until('it is paused', async () => {
      const [offset] = await append(stage.a, channel, 1)
      return (await refusal(name, `atLeast=${channel}@${offset}&withinMs=300`)).startsWith(
        'PROJECTION_BEHIND',
      )
    })
    expect(await refusal(name, `atLeast=${channel}@9999`)).toMatch(
      /REQUEST_INVALID: atLeast: there is no event 9999 of .*; the last one is \d+/,
    )
    expect(await refusal(name, `atLeast=${channel}@1&epoch=other`)).toMatch(/^POSITION_LOST/)
    await stage.acts.resume(name, { actor: 'me' })
  })
})

describe('while readers are switched to another build', () => {
  it('an answer is of one build at one position, and never goes back', async () => {
    const name = stage.newName()
    const [channels, each] = [4, 25]
    for (let i = 0; i < channels; i++) await append(stage.a, `${name}:${i}`, each, { atOnce: true })
    const reducer = counting(name)
    await stage.process([reducer] as never).work()
    const sum = ({ rows }: Page) =>
      rows.reduce((all, row) => all + (row['state'] as { count: number }).count, 0)
    await until('the first build is full', async () => sum(await page(name)) === channels * each)
    const first = (await page(name)).build
    let going = true
    const seen: { version: number; sum: number; read: number }[] = []
    const handle = reads.handle(reducer as never)
    const poller = (async () => {
      while (going) {
        const answer = await page(name)
        const [pages, twice] = await handle.read(async (db, tables) => {
          const { states } = tables as { states: never }
          const select = () => db.select({ n: raw<number>`(state->>'count')::int` }).from(states)
          return [await select(), await select()]
        })
        expect(pages).toEqual(twice)
        seen.push({ version: answer.version, sum: sum(answer), read: pages.length })
      }
    })()
    await stage.process([counting(name, 2, 1_000)] as never).work()
    await stage.switchedFrom(name, first)
    const after = seen.length
    await until('it was read afterwards', () => seen.length > after + 2)
    going = false
    await poller
    expect(new Set(seen.map(({ version, sum }) => `${version}: ${sum}`))).toEqual(
      new Set([`1: ${channels * each}`, `2: ${channels * each * 1_000}`]),
    )
    const switchedAt = seen.findIndex(({ version }) => version === 2)
    expect(seen.slice(switchedAt).every(({ version }) => version === 2)).toBe(true)
    expect(new Set(seen.map(({ read }) => read))).toEqual(new Set([channels]))
  })

  it('a node that has seen the build before reads what only the new one has, and does not wait for the old one', async () => {
    const name = stage.newName()
    const channel = `${name}:x`
    await append(stage.a, channel, 2)
    const old = stage.process([counting(name)] as never)
    await old.work()
    const wider = defineProjection({
      name,
      version: 2,
      channels: `${name}:{id}`,
      tables: schema => ({ seen: schema.table('seen', { at: integer().primaryKey(), colour: text() }) }),
      async apply(events, { db, tables: { seen } }) {
        await db.insert(seen).values(events.map(({ offset }) => ({ at: offset, colour: 'red' })))
      },
    })
    const nodes = [reads, openReads(readsOptions())]
    try {
      for (const node of nodes)
        await until('it is read', async () => (await node.page(name, new URLSearchParams())).includes('key'))
      const first = await stage.active(name)
      await stage.process([wider] as never).work()
      await stage.switchedFrom(name, first.id)
      await old.close(1_000)
      const [offset] = await append(stage.a, channel, 1)
      const queries = ['colour=red&order=at&limit=1', `atLeast=${channel}@${offset}&order=-at&limit=1`]
      const pages = await Promise.all(
        nodes.map(async (node, i) => JSON.parse(await node.page(name, new URLSearchParams(queries[i])))),
      )
      expect(pages).toMatchObject([
        { version: 2, rows: [{ at: 1, colour: 'red' }] },
        { version: 2, rows: [{ at: 3, colour: 'red' }] },
      ])
      expect(await refusal(name, 'shade=red')).toMatch(/REQUEST_INVALID: .*no column "shade"/)
    } finally {
      await nodes[1]?.close()
    }
  })

  it('a version that has not caught up says how far it is', async () => {
    const name = stage.newName()
    await stage.process([counting(name)] as never).work()
    const next = counting(name, 2)
    await expect(reads.reducerHandle(next).get('x')).rejects.toThrow(/version 2 of p\d+ has no build yet/)
    const report = await reads.reducerHandle(next).status()
    expect(report).toMatchObject({ name, version: 1, builds: [{ state: 'active', tables: ['states'] }] })
    await expect(
      reads.handle(counting(name) as never).read(async db => db.execute(raw`create table x (y int)`)),
    ).rejects.toThrow()
    await expect(
      reads.handle(counting(name) as never).read(async db => db.execute(raw`select * from nothing_there`)),
    ).rejects.toThrow(/nothing_there/)
  })
})
