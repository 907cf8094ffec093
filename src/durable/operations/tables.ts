import { bigint, text } from 'drizzle-orm/pg-core'
import { holdfast } from '../ledger/columns.ts'

/** What people have done to the system, and why. */
export const acts = holdfast.table('acts', {
  id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  /** Milliseconds since 1970. */
  time: bigint({ mode: 'number' }).notNull(),
  /** Who, as they named themselves: the key or the database role is what was checked. */
  actor: text().notNull(),
  /** For instance `redrive`, `discard`, `erase`, `pause_group`. */
  act: text().notNull(),
  /** What it was done to. */
  target: text().notNull(),
  reason: text(),
})
