import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  index,
  integer,
  jsonb,
  primaryKey,
  text,
  timestamp,
  uuid,
} from 'drizzle-orm/pg-core'
import { defineProjection } from '../define.ts'
import type { Projection, TableMaker } from '../types.ts'

/** How a group or a rule stands to an event, by the name `group/<name>` or `rule/<name>`. */
export type DeliveryStands = Readonly<
  Record<
    string,
    {
      /** `settled` (of a group: done, or there was nothing to do), a state of a delivery, `pending`, or `paused`. */
      readonly state: string
      /** Where there is a delivery. */
      readonly attempts?: number
      /** When that was first seen, in milliseconds since 1970. */
      readonly at: number
    }
  >
>

export interface DeliveriesOptions {
  /** Patterns of durable channels: choose them, since each event of theirs is a row. */
  readonly channels: string | readonly string[]
  /** The share of the events that is kept an eye on, above 0 and at most 1 (default). */
  readonly sample?: number
  /** How long after an event its row is kept (default: seven days). */
  readonly keepSeconds?: number
}

function tablesOf({ table }: TableMaker) {
  return {
    events: table(
      'events',
      {
        partition: integer().notNull(),
        position: bigint({ mode: 'number' }).notNull(),
        channel: text().notNull(),
        offset: bigint({ mode: 'number' }).notNull(),
        id: uuid().notNull(),
        type: text().notNull(),
        recorded: timestamp({ withTimezone: true }).notNull(),
        /** When it was first seen in the log; null: it was not yet, or there is no Redis. */
        mirrored: timestamp({ withTimezone: true }),
        consumers: jsonb().$type<DeliveryStands>().notNull().default({}),
        /** Somebody still has something to do. */
        open: boolean().notNull().default(true),
        /** When it was first seen that nobody has. */
        settled: timestamp({ withTimezone: true }),
      },
      ({ partition, position, channel, offset, open, recorded }) => [
        primaryKey({ columns: [channel, offset] }),
        index().on(position, partition).where(sql`${open}`),
        // Rows are removed by their age, which nearly is the order in which they were written.
        index().using('brin', recorded),
      ],
    ),
  }
}

export type DeliveriesTables = ReturnType<typeof tablesOf>

/** As in the configuration. */
export const keptSeconds = 7 * 86_400

/**
 * What became of each event, also after retention has removed it: a row that is inserted with the event, and that
 * `startDeliveryWatch` brings up to date.
 * @throws HoldfastError CONFIG_INVALID for a bad pattern
 */
export function deliveries({
  channels,
  sample = 1,
  keepSeconds = keptSeconds,
}: DeliveriesOptions): Projection<DeliveriesTables> {
  return defineProjection({
    name: 'deliveries',
    version: 1,
    channels,
    tables: tablesOf,
    async apply(events, { db, tables }) {
      const since = Date.now() - keepSeconds * 1_000
      const rows = events
        .filter(({ id, time }) => time >= since && isSampled(id, sample))
        .map(({ partition, position, channel, offset, id, type, time }) => ({
          ...{ partition, position, channel, offset, id, type },
          recorded: new Date(time),
        }))
      // After a failover that lost events a place may be another event's.
      if (rows.length > 0)
        await db
          .insert(tables.events)
          .values(rows)
          .onConflictDoUpdate({
            target: [tables.events.channel, tables.events.offset],
            set: {
              partition: sql`excluded.partition`,
              position: sql`excluded."position"`,
              id: sql`excluded.id`,
              type: sql`excluded.type`,
              recorded: sql`excluded.recorded`,
              mirrored: null,
              consumers: sql`excluded.consumers`,
              open: true,
              settled: null,
            },
          })
    },
  })
}

/** The same on every node and in every build: ids end in bits that were drawn by chance, or hashed. */
export function isSampled(id: string, share: number): boolean {
  return Number.parseInt(id.slice(-8), 16) < share * 2 ** 32
}
