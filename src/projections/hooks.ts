import type { Sql, Transaction } from '../platform/index.ts'
import type { Build, Projection } from './types.ts'

/** What a batch has changed in a build that readers see. */
export interface ChangedBatch {
  readonly projection: Projection
  readonly build: Build
  /**
   * By the names given to `schema.table`: the keys of the rows, by column names in SQL, each once, with the values that the
   * application gave.
   */
  readonly keys: ReadonlyMap<string, readonly Readonly<Record<string, unknown>>[]>
  /** The batch's own transaction, of a connection for drizzle: all is written, nothing is committed. */
  readonly tx: Transaction
  /** Runs right after the commit, or never. */
  readonly afterCommit: (act: () => void) => void
}

/** A build that readers see from now on. */
export interface Switched {
  readonly projection: string
  readonly build: Build
  /** The build that they have seen so far; undefined at the very first. */
  readonly previous: Build | undefined
  /** The switch's own transaction. */
  readonly tx: Transaction
}

/** Those who tell others what happens to builds. What they throw takes the transaction back. */
export interface ProjectionHooks {
  /**
   * Called only for projections that say `changes`, and only while the build is active: no switch can happen between this
   * and the commit.
   */
  changed(batch: ChangedBatch): Promise<void>
  /** Returns what is to be done right after the commit. */
  switched(change: Switched): Promise<(() => void) | undefined>
  /** All builds as they are now, whenever a process that declares projections has looked. */
  seen?(builds: readonly Build[], sql: Sql): Promise<void>
}
