import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  date,
  index,
  integer,
  jsonb,
  numeric,
  type PgTable,
  primaryKey,
  text,
  timestamp,
  unique,
  uniqueIndex,
  uuid,
  varchar,
} from 'drizzle-orm/pg-core'

const columns = {
  order: uuid('order_id').notNull(),
  line: integer().notNull(),
  code: varchar({ length: 12 }).notNull().unique(),
  amount: numeric({ precision: 12, scale: 2 }).notNull().default('0'),
  big: bigint({ mode: 'bigint' }).default(9_007_199_254_740_993n),
  state: text().notNull().default("it's new"),
  open: boolean().notNull().default(true),
  tags: text().array().notNull().default([]),
  extra: jsonb()
    .notNull()
    .default({ a: ["'"] }),
  day: date(),
  seen: timestamp({ withTimezone: true }).notNull().defaultNow(),
  label: text().generatedAlwaysAs(sql`upper(code)`),
  n: integer().generatedAlwaysAsIdentity(),
}

type Columns = { readonly [Name in keyof typeof columns]: never } & PgTable

/** One table with everything that a projection's tables may have. */
export const manyKinds = {
  lines: {
    columns,
    extra: (table: Columns) => [
      primaryKey({ columns: [table.order, table.line] }),
      unique().on(table.day, table.code).nullsNotDistinct(),
      check('positive', sql`${table.line} > 0`),
      index().on((table.seen as { desc(): never }).desc(), table.state),
      index('gin').using('gin', table.extra),
      uniqueIndex('open_only').on(table.code).where(sql`${table.open}`),
      index('lower').on(sql`lower(${table.code})`),
    ],
  },
}
