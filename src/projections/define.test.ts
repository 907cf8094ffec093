import { foreignKey, integer, pgEnum, primaryKey, text, uuid } from 'drizzle-orm/pg-core'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { manyKinds } from '../../test/support/many-kinds.ts'
import type { StandardSchemaV1 } from '../contract/index.ts'
import { boundTables, described, physicalName } from './bound-tables.ts'
import { shapeOf, tableStatements } from './ddl.ts'
import { defineProjection } from './define.ts'
import { checkOwnChanges } from './live/own-changes.ts'
import { defineReducer, evolved } from './reducer.ts'
import type { ProjectionDefinition, TableMaker } from './types.ts'

type Tables = ProjectionDefinition['tables']
const projection = (tables: Tables, more: object = {}) =>
  defineProjection({
    name: 'orders',
    version: 1,
    channels: 'order:{id}',
    tables,
    apply: () => undefined,
    ...more,
  })
const one: Tables = schema => ({ totals: schema.table('totals', { id: text().primaryKey() }) })

function statements(tables: Tables): readonly string[] {
  const { byName } = boundTables(projection(tables), table => physicalName('orders', table, 7))
  return [...byName].flatMap(([, table]) => tableStatements('orders', table))
}

describe('tables of a projection', () => {
  it('are made as drizzle has them', () => {
    const made = statements(schema => ({
      lines: schema.table('lines', manyKinds.lines.columns, manyKinds.lines.extra as never),
    }))
    expect(made).toMatchInlineSnapshot(`
      [
        "create table "holdfast_projections"."orders_lines_7" (
        "order_id" uuid not null,
        "line" integer not null,
        "code" varchar(12) not null,
        "amount" numeric(12, 2) default '0' not null,
        "big" bigint default 9007199254740993,
        "state" text default 'it''s new' not null,
        "open" boolean default true not null,
        "tags" text[] default '{}' not null,
        "extra" jsonb default '{"a":["''"]}' not null,
        "day" date,
        "seen" timestamp with time zone default now() not null,
        "label" text generated always as (upper(code)) stored,
        "n" integer generated always as identity not null,
        primary key ("order_id", "line"),
        unique ("code"),
        unique nulls not distinct ("day", "code"),
        check ("holdfast_projections"."orders_lines_7"."line" > 0)
      )",
        "create index on "holdfast_projections"."orders_lines_7" using btree ("seen" desc nulls last, "state" asc nulls last)",
        "create index on "holdfast_projections"."orders_lines_7" using gin ("extra")",
        "create unique index on "holdfast_projections"."orders_lines_7" using btree ("code" asc nulls last) where "holdfast_projections"."orders_lines_7"."open"",
        "create index on "holdfast_projections"."orders_lines_7" using btree ((lower("holdfast_projections"."orders_lines_7"."code")))",
      ]
    `)
  })

  it('are described for whoever has no definition', () => {
    const bound = boundTables(
      projection(schema => ({
        lines: schema.table(
          'lines',
          { orderId: uuid('order_id').notNull(), line: integer().notNull() },
          table => [primaryKey({ columns: [table.line, table.orderId] })],
        ),
      })),
      table => physicalName('orders', table, 7),
    )
    expect(described('orders', bound)).toEqual({
      lines: {
        physical: 'orders_lines_7',
        key: ['line', 'order_id'],
        columns: [
          { name: 'order_id', property: 'orderId', type: 'uuid' },
          { name: 'line', property: 'line', type: 'integer' },
        ],
      },
    })
  })

  it('have the same shape whatever build they are for, and another one when anything changes', () => {
    const shape = shapeOf(projection(one))
    expect(shapeOf(projection(one))).toBe(shape)
    expect(
      shapeOf(projection(schema => ({ totals: schema.table('totals', { id: integer().primaryKey() }) }))),
    ).not.toBe(shape)
  })

  const kind = pgEnum('kind', ['a', 'b'])
  it.each<[string, Tables, RegExp]>([
    ['no table', () => ({}), /at least one/],
    [
      'a table that is not returned',
      schema => {
        schema.table('lost', { id: text().primaryKey() })
        return one(schema)
      },
      /has to return/,
    ],
    ['no primary key', schema => ({ a: schema.table('a', { id: text() }) }), /primary key/],
    ['a bad name', schema => ({ a: schema.table('A b', { id: text().primaryKey() }) }), /table's name/],
    [
      'a name like a build’s',
      schema => ({ a: schema.table('a_7', { id: text().primaryKey() }) }),
      /table's name/,
    ],
    ['a long name', schema => ({ a: schema.table('a'.repeat(50), { id: text().primaryKey() }) }), /too long/],
    [
      'a name twice',
      schema => ({ a: one(schema)['totals'] as never, b: one(schema)['totals'] as never }),
      /two tables/,
    ],
    ['an enum', schema => ({ a: schema.table('a', { id: text().primaryKey(), k: kind() }) }), /enums/],
    [
      'a foreign key',
      (schema: TableMaker) => {
        const a = schema.table('a', { id: text().primaryKey() })
        const b = schema.table('b', { id: text().primaryKey() }, table => [
          foreignKey({ columns: [table.id], foreignColumns: [a.id] }),
        ])
        return { a, b }
      },
      /foreign keys/,
    ],
  ])('are refused with %s', (_, tables, problem) => {
    expect(() => projection(tables)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(problem) }),
    )
  })
})

it.each<[string, object]>([
  ['a bad name', { name: 'Orders' }],
  ['a long name', { name: 'a'.repeat(33) }],
  ['no version', { version: 0 }],
  ['a fraction of a version', { version: 1.5 }],
  ['no channels', { channels: [] }],
  ['a bad pattern', { channels: 'order:{}' }],
  ['no type', { types: [] }],
  ['something else as apply', { apply: 1 }],
  ['something else as changes', { changes: 1 }],
])('a projection with %s is refused', (_, more) => {
  expect(() => projection(one, more)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
})

describe('a reducer', () => {
  const counter = {
    initial: (key: string) => ({ key, n: 0 }),
    evolve: ({ key, n }: { key: string; n: number }, { type }: { type: string }) =>
      type === 'Closed' ? null : { key, n: n + 1 },
  }
  const event = (type: string, offset: number) => ({ type, offset, channel: 'order:7' }) as never

  it('folds from what is known, or from the beginning', () => {
    expect(evolved(counter, 'k', null, [event('A', 1), event('B', 2)])).toEqual({
      key: 'k',
      state: { key: 'k', n: 2 },
      channel: 'order:7',
      offset: 2,
    })
    expect(evolved(counter, 'k', { key: 'k', n: 5 }, [event('A', 9)]).state).toEqual({ key: 'k', n: 6 })
  })

  it('removes with null, and begins anew after it', () => {
    expect(evolved(counter, 'k', { key: 'k', n: 5 }, [event('Closed', 6)]).state).toBe(null)
    expect(evolved(counter, 'k', { key: 'k', n: 5 }, [event('Closed', 6), event('A', 7)]).state).toEqual({
      key: 'k',
      n: 1,
    })
  })

  it('that returns nothing has made a mistake', () => {
    expect(() =>
      evolved({ initial: () => 0, evolve: () => undefined as never }, 'k', null, [event('A', 1)]),
    ).toThrow(/null removes/)
  })

  it.each(['initial', 'evolve'])('without %s is refused', missing => {
    expect(() =>
      defineReducer({
        name: 'r',
        version: 1,
        channels: 'order:{id}',
        ...counter,
        [missing]: undefined,
      } as never),
    ).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })
})

describe('events', () => {
  const schema = <T>() => ({
    '~standard': {
      version: 1 as const,
      vendor: 'test',
      validate: (value: unknown) => ({ value: value as T }),
    },
  })
  const contract = {
    'order:{id}': {
      Paid: schema<{ cents: number }>() as StandardSchemaV1<{ cents: number }>,
      Sent: schema<{ by: string }>() as StandardSchemaV1<{ by: string }>,
    },
  }

  it('have the types of their pattern and contract', () => {
    defineProjection({
      contract,
      name: 'typed',
      version: 1,
      channels: 'order:{id}',
      types: ['Paid', 'Sent'],
      tables: maker => ({ paid: maker.table('paid', { id: text().primaryKey() }) }),
      apply(events, { tables }) {
        for (const event of events) {
          expectTypeOf(event.params.id).toEqualTypeOf<string>()
          if (event.type === 'Paid') expectTypeOf(event.data).toEqualTypeOf<{ cents: number }>()
          else expectTypeOf(event.data.by).toEqualTypeOf<string>()
        }
        expectTypeOf(tables.paid.$inferSelect).toEqualTypeOf<{ id: string }>()
      },
    })
    defineReducer({
      contract,
      name: 'typed',
      version: 1,
      channels: 'order:{id}',
      initial: () => 0,
      evolve: (sum, event) => (event.type === 'Paid' ? sum + event.data.cents : sum),
    })
    defineReducer({
      name: 'untyped',
      version: 1,
      channels: ['order:{id}', 'cart:{cart}'],
      key: ({ type }) => type,
      initial: () => ({ n: 0 }),
      evolve(state, { data, params }) {
        expectTypeOf(data).toEqualTypeOf<unknown>()
        return 'id' in params ? state : null
      },
    })
  })
})

it('only what a projection reads itself may not be told of', () => {
  const ends = (channels: string[], types: string[] | undefined, channel = 'live:all') => {
    try {
      checkOwnChanges({ name: 'p', channels, types }, channel)
      return 'fine'
    } catch (error) {
      return (error as { code: string }).code
    }
  }
  expect(ends(['*'], undefined)).toBe('CONFIG_INVALID')
  expect(ends(['a:{b}', 'live:{b}'], ['X', 'ProjectionReset'])).toBe('CONFIG_INVALID')
  expect(ends(['*'], ['X'])).toBe('fine')
  expect(ends(['a:{b}', 'live:{b}:c'], undefined)).toBe('fine')
})
