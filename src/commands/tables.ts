import { bigint, customType, integer, pgSchema, primaryKey, text } from 'drizzle-orm/pg-core'

const holdfast = pgSchema('holdfast')
/** Compared byte by byte, as channels are everywhere. */
const byteText = customType<{ data: string }>({ dataType: () => 'text COLLATE "C"' })

/** States of aggregates, so that a long channel need not be folded from its beginning. Any of them may be missing. */
export const snapshots = holdfast.table(
  'snapshots',
  {
    partition: integer().notNull(),
    channel: byteText().notNull(),
    aggregate: text().notNull(),
    /** Of the aggregate's states, as its definition says it. */
    version: integer().notNull(),
    epoch: text().notNull(),
    /** Of the last event that is in the state. */
    offset: bigint({ mode: 'number' }).notNull(),
    /** JSON text. */
    state: text().notNull(),
    /** Milliseconds since 1970. */
    time: bigint({ mode: 'number' }).notNull(),
  },
  table => [primaryKey({ name: 'snapshots_pk', columns: [table.partition, table.channel, table.aggregate] })],
)
