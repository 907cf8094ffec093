import { bigint, boolean, index, integer, pgSchema, primaryKey, text } from 'drizzle-orm/pg-core'

const holdfast = pgSchema('holdfast')

/** What a node last said of itself, for those whom its word does not reach over Redis. */
export const nodeSheets = holdfast.table('node_sheets', {
  /** The node's id: unique among all its lives. */
  node: text().primaryKey(),
  /** Milliseconds since 1970, by the clock of Postgres. */
  time: bigint({ mode: 'number' }).notNull(),
  /** JSON. */
  sheet: text().notNull(),
})

/** What a node has counted in a minute. */
export const nodeMinutes = holdfast.table(
  'node_minutes',
  {
    /** Its beginning, in milliseconds since 1970, by the clock of the node. */
    minute: bigint({ mode: 'number' }).notNull(),
    node: text().notNull(),
    publishedRealtime: bigint('published_realtime', { mode: 'number' }),
    publishedDurable: bigint('published_durable', { mode: 'number' }),
    refused: bigint({ mode: 'number' }),
    deliveredRealtime: bigint('delivered_realtime', { mode: 'number' }),
    deliveredDurable: bigint('delivered_durable', { mode: 'number' }),
    dropped: bigint({ mode: 'number' }),
    connects: bigint({ mode: 'number' }),
    disconnects: bigint({ mode: 'number' }),
    probeFailures: bigint('probe_failures', { mode: 'number' }),
    /** At its end. */
    connections: integer().notNull(),
  },
  table => [primaryKey({ name: 'node_minutes_pk', columns: [table.minute, table.node] })],
)

/** By which code a node's connections have ended in a minute. */
export const nodeMinuteEnds = holdfast.table(
  'node_minute_ends',
  {
    minute: bigint({ mode: 'number' }).notNull(),
    node: text().notNull(),
    code: text().notNull(),
    count: bigint({ mode: 'number' }).notNull(),
  },
  table => [primaryKey({ name: 'node_minute_ends_pk', columns: [table.minute, table.node, table.code] })],
)

/** What has changed, beside what people have done (`acts`). */
export const marks = holdfast.table(
  'marks',
  {
    /** Made from what has changed where several nodes see the same. */
    id: text().primaryKey(),
    /** Milliseconds since 1970. */
    time: bigint({ mode: 'number' }).notNull(),
    kind: text().notNull(),
    node: text(),
    says: text().notNull(),
    /** JSON. */
    details: text().notNull(),
  },
  table => [index('marks_time').on(table.time)],
)

/** What operators have switched for a namespace. */
export const namespaceSwitches = holdfast.table('namespace_switches', {
  namespace: text().primaryKey(),
  readOnly: boolean('read_only').notNull(),
  /** Milliseconds since 1970. */
  since: bigint({ mode: 'number' }).notNull(),
  by: text().notNull(),
  reason: text(),
})
