import { sql } from 'drizzle-orm'
import { bigint, boolean, index, integer, text } from 'drizzle-orm/pg-core'
import { byteText, holdfast } from '../ledger/columns.ts'

/** A rule from its first sight on: it applies to what is recorded after that. */
export const jobRules = holdfast.table('job_rules', {
  name: byteText().primaryKey(),
  /** By partition, the head when the rule was first seen. */
  starts: bigint({ mode: 'number' }).array().notNull(),
  epoch: text().notNull(),
  created: bigint({ mode: 'number' }).notNull(),
  /** JSON of what it applies to and where its jobs go, so that every node can match it and enqueue for it. */
  definition: text().notNull(),
  /** When a process last declared it, in milliseconds since 1970: a rule that none has is not applied any more. */
  seen: bigint({ mode: 'number' }).notNull(),
})

/** How the endpoint of a webhook rule fares. */
export const webhookEndpoints = holdfast.table('webhook_endpoints', {
  rule: byteText().primaryKey(),
  /** Failures since the last success. */
  failures: integer().notNull().default(0),
  /** When the first of them was, in milliseconds since 1970; null while all is well. */
  failingSince: bigint('failing_since', { mode: 'number' }),
  /** When it was disabled, in milliseconds since 1970; null while it is enabled. */
  disabledAt: bigint('disabled_at', { mode: 'number' }),
  reason: text(),
})

/** Appends and publications that happen at a time. */
export const schedules = holdfast.table(
  'schedules',
  {
    name: byteText().primaryKey(),
    /** A cron expression; null: by `every_seconds`, or once. */
    cron: text(),
    /** Counted from `created`. */
    everySeconds: integer('every_seconds'),
    /** IANA time zone of the cron expression. */
    zone: text(),
    /** `append` or `publish`. */
    act: text().notNull(),
    channel: text().notNull(),
    /** The event's type; null for a publication. */
    type: text(),
    /** JSON text. */
    data: text().notNull(),
    /** When it happens next, in milliseconds since 1970; null: never again. */
    due: bigint({ mode: 'number' }),
    /** The last time for which it has happened. */
    lastDue: bigint('last_due', { mode: 'number' }),
    /** Why the last attempt failed; null where it did not. */
    failure: text(),
    /** Declared in the configuration, or made over the API. */
    declared: boolean().notNull().default(false),
    /** When a process last declared it, in milliseconds since 1970: one that none has is removed. */
    seen: bigint({ mode: 'number' }),
    paused: boolean().notNull().default(false),
    created: bigint({ mode: 'number' }).notNull(),
  },
  // Looked at twice a second; what is over stays for weeks.
  table => [index('schedules_due').on(table.due).where(sql`${table.due} is not null`)],
)
