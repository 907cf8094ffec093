import { bigint, boolean, index, integer, primaryKey, text } from 'drizzle-orm/pg-core'
import { byteText, holdfast } from '../ledger/columns.ts'

/** Where a user has got to in a channel, under a name of the client's choice. Only ever moved forward. */
export const cursors = holdfast.table(
  'cursors',
  {
    partition: integer().notNull(),
    channel: byteText().notNull(),
    user: byteText().notNull(),
    name: byteText().notNull(),
    /** The last acknowledged offset. */
    offset: bigint({ mode: 'number' }).notNull(),
    /** The ledger's epoch when it was acknowledged: an offset of another epoch means nothing. */
    epoch: text().notNull(),
    /** When it moved last, in milliseconds since 1970. */
    moved: bigint({ mode: 'number' }).notNull(),
    /** Whether retention waits for it (`cursors.hold` of the namespace), */
    holds: boolean().notNull().default(false),
    /** and until when, in milliseconds since 1970; null: for ever. Each ack sets it anew. */
    holdsUntil: bigint('holds_until', { mode: 'number' }),
  },
  table => [
    primaryKey({ name: 'cursors_pk', columns: [table.partition, table.channel, table.user, table.name] }),
    index('cursors_user').on(table.user),
  ],
)
