import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  integer,
  primaryKey,
  text,
  timestamp,
  unique,
  uuid,
} from 'drizzle-orm/pg-core'
import { byteText, holdfast } from './columns.ts'

export { holdfast }

/** One row: what was decided when the database was created, and the name of this life of the numbering. */
export const ledger = holdfast.table(
  'ledger',
  {
    /** Always true, which is how there can be only one row. */
    singleton: boolean().primaryKey().default(true),
    epoch: text().notNull(),
    partitions: integer().notNull(),
    created: timestamp({ withTimezone: true }).notNull().defaultNow(),
  },
  table => [check('ledger_one_row', sql`${table.singleton}`)],
)

/** The facts: appended by `holdfast.append`, never changed, removed only by `holdfast.remove_events`. */
export const events = holdfast.table(
  'events',
  {
    partition: integer().notNull(),
    /** Dense in the partition; commit order. */
    position: bigint({ mode: 'number' }).notNull(),
    channel: byteText().notNull(),
    /** Dense in the channel. */
    offset: bigint({ mode: 'number' }).notNull(),
    id: uuid().notNull(),
    type: text().notNull(),
    /** JSON as it came. `jsonb` would reorder keys and round numbers, `json` fails on deep nesting. */
    data: text().notNull(),
    /** JSON text of who appended it, or null. */
    meta: text(),
    /** Milliseconds since 1970. A whole number, so that no conversion can change the bytes of a replay. */
    time: bigint({ mode: 'number' }).notNull(),
  },
  table => [
    primaryKey({ name: 'events_position', columns: [table.partition, table.position] }),
    unique('events_offset').on(table.partition, table.channel, table.offset),
    unique('events_id').on(table.partition, table.id, table.channel),
  ],
)

/** A row for each channel from which retention has removed something. */
export const channelFloor = holdfast.table(
  'channel_floor',
  {
    partition: integer().notNull(),
    channel: byteText().notNull(),
    /** The last removed offset. */
    floor: bigint({ mode: 'number' }).notNull(),
    /** The channel's head when it was removed: the numbering goes on from here even if no event is left. */
    head: bigint({ mode: 'number' }).notNull(),
  },
  table => [primaryKey({ name: 'channel_floor_pk', columns: [table.partition, table.channel] })],
)

/** A row for each partition from which retention has removed something. */
export const partitionFloor = holdfast.table('partition_floor', {
  partition: integer().primaryKey(),
  /** The partition's head when something was removed last. */
  head: bigint({ mode: 'number' }).notNull(),
})
