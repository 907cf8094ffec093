import { sql } from 'drizzle-orm'
import { integer, text } from 'drizzle-orm/pg-core'
import { defineProjection, defineReducer } from '../../../src/app/index.ts'
import { type Counted, counted, nothingCounted, speakerOf } from '../folds.ts'

const patient = { maxAttempts: 1_000, retryMs: { first: 50, most: 500 } } as const
const channels = ['order:{run}', 'account:{run}'] as const
const valueIn = (data: unknown) => (data as { value: string }).value

/** What was said in each channel, in its order. */
export const countedModel = defineReducer<Counted>({
  name: 'counted',
  version: 1,
  channels,
  ...patient,
  initial: () => nothingCounted,
  evolve: (state, { data }) => counted(state, valueIn(data)),
})

/** How much each writer has said, in rows that all channels share. */
export const spokenModel = defineProjection({
  name: 'spoken',
  version: 1,
  channels,
  ...patient,
  tables: schema => ({
    writers: schema.table('writers', { writer: text().primaryKey(), times: integer().notNull() }),
  }),
  async apply(events, { db, tables: { writers } }) {
    const said = Map.groupBy(events, ({ data }) => speakerOf(valueIn(data)))
    const rows = [...said].map(([writer, { length }]) => ({ writer, times: length }))
    await db
      .insert(writers)
      .values(rows.sort((a, b) => (a.writer < b.writer ? -1 : 1)))
      .onConflictDoUpdate({ target: writers.writer, set: { times: sql`${writers.times} + excluded.times` } })
  },
})
