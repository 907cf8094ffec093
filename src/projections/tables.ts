import { sql } from 'drizzle-orm'
import {
  bigint,
  check,
  index,
  integer,
  jsonb,
  pgSchema,
  text,
  timestamp,
  uniqueIndex,
} from 'drizzle-orm/pg-core'
import type { BuildTable } from './types.ts'

const holdfast = pgSchema('holdfast')

/** A read model by its name, and which of its builds readers see. */
export const projections = holdfast.table('projections', {
  name: text().primaryKey(),
  activeBuild: bigint('active_build', { mode: 'number' }),
  /** When that was decided last. */
  updated: timestamp({ withTimezone: true }).notNull().defaultNow(),
})

/** One set of tables of a projection, filled by one consumer group. */
export const projectionBuilds = holdfast.table(
  'projection_builds',
  {
    id: bigint({ mode: 'number' }).generatedAlwaysAsIdentity().primaryKey(),
    projection: text().notNull(),
    version: integer().notNull(),
    /**
     *   building  not caught up yet; it becomes active by itself
     *   active    what readers see
     *   standby   kept up to date for whoever wants to switch back
     *   dropped   its tables and its group are gone
     */
    state: text().notNull(),
    group: text().notNull(),
    /** By logical name: where it is, and what it looks like. Empty until somebody who declares the version has made them. */
    tables: jsonb().$type<Readonly<Record<string, BuildTable>>>().notNull().default({}),
    /** Which definition of tables it was made from: the same for all builds of a version. */
    shape: text(),
    /** Who asked for it; null: the first process that declared the version. */
    requestedBy: text('requested_by'),
    created: timestamp({ withTimezone: true }).notNull().defaultNow(),
    caughtUp: timestamp('caught_up', { withTimezone: true }),
    /** When it last became active, and when it last ceased to be. */
    switched: timestamp({ withTimezone: true }),
    switchedBy: text('switched_by'),
    retired: timestamp({ withTimezone: true }),
  },
  table => [
    index('projection_builds_projection').on(table.projection, table.version),
    uniqueIndex('projection_builds_active').on(table.projection).where(sql`${table.state} = 'active'`),
    uniqueIndex('projection_builds_group').on(table.group),
    check('projection_builds_state', sql`${table.state} in ('building', 'active', 'standby', 'dropped')`),
  ],
)

/**
 * Numbers published changes. A number is taken after the row was written, while its lock is held, so a row's later state has
 * the higher one, whichever node tells of it first. The runtime role needs USAGE.
 */
export const projectionChanges = holdfast.sequence('projection_changes')
