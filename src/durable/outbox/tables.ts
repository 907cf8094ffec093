import { sql } from 'drizzle-orm'
import { bigint, index, text, timestamp, uuid } from 'drizzle-orm/pg-core'
import { holdfast } from '../ledger/columns.ts'

/** Events that an application has recorded in its own transaction; the relay moves them into the ledger. */
export const outbox = holdfast.table(
  'outbox',
  {
    /** The order in which a transaction has recorded them. Between transactions it says nothing. */
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    channel: text().notNull(),
    type: text().notNull(),
    /** JSON text. */
    data: text().notNull(),
    eventId: uuid('event_id').notNull(),
    created: timestamp({ withTimezone: true }).notNull().defaultNow(),
    /** Why the ledger can never take it; such a row stays until a person decides. */
    refused: text(),
  },
  table => [index('outbox_visible').on(table.id).where(sql`${table.refused} is null`)],
)
