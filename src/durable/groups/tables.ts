import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { byteText, holdfast } from '../ledger/columns.ts'

/** A consumer group, from its first worker on until it is removed by command. */
export const groups = holdfast.table(
  'groups',
  {
    name: byteText().primaryKey(),
    /** `ordered` or `competing`. */
    mode: text().notNull(),
    /** The namespaces its patterns may match, null for all: retention keeps there what the group still needs. */
    namespaces: text().array(),
    /** While true its workers leave everything where it is. */
    paused: boolean().notNull().default(false),
    created: timestamp({ withTimezone: true }).notNull().defaultNow(),
  },
  table => [check('groups_mode', sql`${table.mode} in ('ordered', 'competing')`)],
)

/** The processes that work for a group now. One that is not seen for a lease's length is gone. */
export const groupMembers = holdfast.table(
  'group_members',
  {
    group: byteText().notNull(),
    /** Made anew by each start of a process. */
    member: byteText().notNull(),
    /** The node's name, for people. */
    node: text().notNull(),
    seen: timestamp({ withTimezone: true }).notNull().defaultNow(),
  },
  table => [primaryKey({ name: 'group_members_pk', columns: [table.group, table.member] })],
)

/** A group's place in each partition, and who holds the lease on it. */
export const groupPartitions = holdfast.table(
  'group_partitions',
  {
    group: byteText().notNull(),
    partition: integer().notNull(),
    /** The epoch that `position` belongs to. */
    epoch: text().notNull(),
    /**
     * Everything up to here is settled. Of an ordered group it is the checkpoint, of a competing one the floor above
     * which `group_settled` lists what is settled.
     */
    position: bigint({ mode: 'number' }).notNull(),
    /** When it moved last, in milliseconds since 1970. */
    moved: bigint({ mode: 'number' }).notNull(),
    /** The member that holds the lease, for as long as it is a member. */
    holder: text(),
    /** Grows with every change of holder, so that a former one cannot settle any more. */
    fence: bigint({ mode: 'number' }).notNull().default(0),
  },
  table => [primaryKey({ name: 'group_partitions_pk', columns: [table.group, table.partition] })],
)

/** What a competing group has settled above its floor. */
export const groupSettled = holdfast.table(
  'group_settled',
  {
    group: byteText().notNull(),
    partition: integer().notNull(),
    position: bigint({ mode: 'number' }).notNull(),
  },
  table => [
    primaryKey({ name: 'group_settled_pk', columns: [table.group, table.partition, table.position] }),
  ],
)

/**
 * What a group or a job's rule still owes an event, or how it ended. A group has rows only for what did not go smoothly:
 *   waiting   an ordered group has to settle an earlier event of the channel first
 *   retrying  will be handled again when it is due
 *   parked    set aside until somebody decides
 * a rule has one for every event it applies to, written before the job is enqueued:
 *   queued    BullMQ has it, or will have it
 *   done
 * and both, by a person's decision: discarded.
 */
export const deliveries = holdfast.table(
  'deliveries',
  {
    /** What people and commands call it. */
    id: bigint({ mode: 'number' }).generatedAlwaysAsIdentity().notNull(),
    /** `group/<name>` or `rule/<name>`. */
    consumer: byteText().notNull(),
    partition: integer().notNull(),
    position: bigint({ mode: 'number' }).notNull(),
    channel: byteText().notNull(),
    offset: bigint({ mode: 'number' }).notNull(),
    eventId: uuid('event_id').notNull(),
    eventType: text('event_type').notNull(),
    state: text().notNull(),
    /** How often it has been tried. */
    attempts: integer().notNull().default(0),
    /** Why it is not done, in words. */
    reason: text(),
    /** Not before this time, in milliseconds since 1970. */
    due: bigint({ mode: 'number' }).notNull().default(0),
    created: bigint({ mode: 'number' }).notNull(),
    updated: bigint({ mode: 'number' }).notNull(),
    /** Who decided last, where it was a person. */
    actor: text(),
  },
  table => [
    primaryKey({ name: 'deliveries_pk', columns: [table.consumer, table.partition, table.position] }),
    uniqueIndex('deliveries_id').on(table.id),
    index('deliveries_event').on(table.eventId),
    index('deliveries_open_channel')
      .on(table.partition, table.channel, table.consumer, table.position)
      .where(sql`${table.state} in ('waiting', 'retrying', 'queued', 'parked')`),
    index('deliveries_open_due')
      .on(table.consumer, table.partition, table.due)
      .where(sql`${table.state} in ('waiting', 'retrying', 'queued', 'parked')`),
    index('deliveries_retrying').on(table.consumer, table.due).where(sql`${table.state} = 'retrying'`),
    check(
      'deliveries_state',
      sql`${table.state} in ('waiting', 'retrying', 'queued', 'parked', 'done', 'discarded')`,
    ),
  ],
)
