import { sql } from 'drizzle-orm'
import { bigint, index, integer, text, uuid } from 'drizzle-orm/pg-core'
import { byteText, holdfast } from '../ledger/columns.ts'

/** What people have done to the system, and why. */
export const acts = holdfast.table(
  'acts',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    /** Milliseconds since 1970. */
    time: bigint({ mode: 'number' }).notNull(),
    /** Who, as they named themselves: the key or the database role is what was checked. */
    actor: text().notNull(),
    /** For instance `redrive`, `discard`, `erase`, `pause_group`. */
    act: text().notNull(),
    /** What it was done to: `delivery <id>`, `event <channel> <offset>`, … */
    target: text().notNull(),
    reason: text(),
    /** How it ended, where it was not done in the transaction that records it; null: done. */
    outcome: text(),
  },
  table => [index('acts_target').on(table.target)],
)

/** Events whose content was erased from the ledger, and whether its copies in Redis are known to be gone. */
export const erasures = holdfast.table(
  'erasures',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    partition: integer().notNull(),
    channel: byteText().notNull(),
    offset: bigint({ mode: 'number' }).notNull(),
    position: bigint({ mode: 'number' }).notNull(),
    eventId: uuid('event_id').notNull(),
    epoch: text().notNull(),
    /** Milliseconds since 1970. */
    time: bigint({ mode: 'number' }).notNull(),
    /** When the last copy was removed from Redis; null while that has to be done. */
    forgotten: bigint({ mode: 'number' }),
  },
  table => [
    index('erasures_pending').on(table.id).where(sql`${table.forgotten} is null`),
    index('erasures_channel').on(table.partition, table.channel, table.id),
  ],
)
