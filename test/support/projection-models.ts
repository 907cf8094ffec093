import { sql } from 'drizzle-orm'
import { bigint, integer, text } from 'drizzle-orm/pg-core'
import { defineProjection } from '../../src/projections/define.ts'
import { defineReducer } from '../../src/projections/reducer.ts'

/** An event's data. */
export interface Told {
  readonly number: number
  readonly kind: string
}

/** Depends on every event before, and on their order. */
export interface Chain {
  readonly count: number
  readonly hash: number
}

/** A version's own way to fold, so that a mixture of two is not a fold of either. */
export function chained(version: number, { count, hash }: Chain, { number }: Told): Chain | null {
  // Now and then there is nothing any more, and the next event begins anew.
  if (number % 13 === 0) return null
  return { count: count + 1, hash: (hash * 31 + number * version + 7) % 2_147_483_647 }
}

export const beginning: Chain = { count: 0, hash: 1 }

/** A state per channel. */
export const chains = (version: number) =>
  defineReducer({
    name: 'chains',
    version,
    channels: 'tale:{id}',
    initial: () => beginning,
    evolve: (state, event) => chained(version, state, event.data as Told),
  })

/** A state per kind, to which channels of all partitions add. */
export const kinds = (version: number) =>
  defineReducer({
    name: 'kinds',
    version,
    channels: 'tale:{id}',
    key: event => (event.data as Told).kind,
    initial: () => 0,
    evolve: (sum, event) => sum + (event.data as Told).number * version,
  })

/** With SQL: an amount per channel, and rows that channels share. */
export const sums = (version: number) =>
  defineProjection({
    name: 'sums',
    version,
    channels: 'tale:{id}',
    tables: schema => ({
      lines: schema.table('lines', {
        channel: text().primaryKey(),
        last: integer().notNull(),
        sum: bigint({ mode: 'number' }).notNull(),
      }),
      totals: schema.table('totals', {
        kind: text().primaryKey(),
        sum: bigint({ mode: 'number' }).notNull(),
      }),
    }),
    async apply(events, { db, tables: { lines, totals } }) {
      const own = new Map<string, { last: number; sum: number }>()
      const shared = new Map<string, number>()
      for (const { channel, offset, data } of events) {
        const { number, kind } = data as Told
        own.set(channel, { last: offset, sum: (own.get(channel)?.sum ?? 0) + number * version })
        shared.set(kind, (shared.get(kind) ?? 0) + number * version)
      }
      await db
        .insert(lines)
        .values([...own].map(([channel, { last, sum }]) => ({ channel, last, sum })))
        .onConflictDoUpdate({
          target: lines.channel,
          set: { last: sql`excluded.last`, sum: sql`${lines.sum} + excluded.sum` },
        })
      await db
        .insert(totals)
        .values([...shared].sort().map(([kind, sum]) => ({ kind, sum })))
        .onConflictDoUpdate({ target: totals.kind, set: { sum: sql`${totals.sum} + excluded.sum` } })
    },
  })
