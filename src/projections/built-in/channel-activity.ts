import { type SQL, sql } from 'drizzle-orm'
import { bigint, doublePrecision, text, timestamp, uuid } from 'drizzle-orm/pg-core'
import { namespaceOf } from '../../domain/index.ts'
import type { HandlerEvent } from '../../durable/index.ts'
import { defineProjection } from '../define.ts'
import type { ChangesTo, Projection, TableMaker } from '../types.ts'

/** What a built-in read model can be told. */
export interface BuiltInOptions {
  /** Patterns of durable channels. */
  readonly channels?: string | readonly string[]
  /** Where changes of its rows are published; by default nowhere. */
  readonly changes?: ChangesTo
}

function tablesOf({ table }: TableMaker) {
  return {
    channels: table('channels', {
      channel: text().primaryKey(),
      namespace: text().notNull(),
      /** The last offset: the numbering is dense, so this counts what was ever recorded, also what retention removed. */
      events: bigint({ mode: 'number' }).notNull(),
      lastId: uuid('last_id').notNull(),
      lastType: text('last_type').notNull(),
      lastTime: timestamp('last_time', { withTimezone: true }).notNull(),
      /** Events a minute, as a moving average at `last_time`. It halves with every minute without an event. */
      perMinute: doublePrecision('per_minute').notNull(),
    }),
  }
}

export type ChannelActivityTables = ReturnType<typeof tablesOf>

const minuteMs = 60_000

/**
 * Per channel: its last event, how many there are, how fast they come. One row is written per channel and batch.
 * @throws HoldfastError CONFIG_INVALID for a bad pattern
 */
export function channelActivity({
  channels = '*',
  changes,
}: BuiltInOptions = {}): Projection<ChannelActivityTables> {
  return defineProjection({
    name: 'channel_activity',
    version: 1,
    channels,
    tables: tablesOf,
    async apply(events, { db, tables, changed }) {
      const rows = [...Map.groupBy(events, ({ channel }) => channel).values()].map(activityOf)
      const { channels: table } = tables
      const minutes = sql`greatest(0, extract(epoch from excluded.last_time - ${table.lastTime}) / 60)`
      await db
        .insert(table)
        .values(rows)
        .onConflictDoUpdate({
          target: table.channel,
          set: {
            events: sql`excluded.events`,
            lastId: sql`excluded.last_id`,
            lastType: sql`excluded.last_type`,
            lastTime: sql`excluded.last_time`,
            perMinute: sql`${table.perMinute} * ${halved(minutes)} + excluded.per_minute`,
          },
        })
      changed(table, rows)
    },
    ...(changes !== undefined && { changes }),
  })
}

/** What `per_minute` has become by now, for queries. */
export function perMinuteNow({ channels }: ChannelActivityTables): SQL<number> {
  const minutes = sql`greatest(0, extract(epoch from now() - ${channels.lastTime}) / 60)`
  return sql<number>`${channels.perMinute} * ${halved(minutes)}`
}

/** A number that is too small for Postgres would be an error: after a thousand minutes it is nothing anyway. */
function halved(minutes: SQL): SQL {
  return sql`power(2::float8, -least(1000, ${minutes}))`
}

/** Of a channel's events in a row. In steady traffic each event is worth ln 2 at first, so that the sum is the rate. */
function activityOf(events: readonly HandlerEvent[]) {
  const last = events.at(-1) as HandlerEvent
  return {
    channel: last.channel,
    namespace: namespaceOf(last.channel),
    events: last.offset,
    lastId: last.id,
    lastType: last.type,
    lastTime: new Date(last.time),
    perMinute: events.reduce(
      (sum, { time }) => sum + Math.LN2 * 2 ** -(Math.max(0, last.time - time) / minuteMs),
      0,
    ),
  }
}
