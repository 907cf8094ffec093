import type { PoolUse } from '../ledger/answering-pool.ts'

/** A user's saved place in a channel, by the name the client gave it. */
export interface CursorKey {
  readonly channel: string
  readonly user: string
  readonly name: string
}

export interface Ack extends CursorKey {
  /** Everything up to here, inclusive, is done with; 0 puts the cursor before the first event. */
  readonly offset: number
  /** The epoch that the offset belongs to; without it the ledger's present one. */
  readonly epoch?: string
}

export interface CursorPlace {
  readonly offset: number
  readonly epoch: string
}

/** Where a cursor stands, and where its channel does. */
export interface CursorState extends CursorPlace {
  /** The offset of the channel's last event, in the ledger's present epoch. */
  readonly head: number
  /** Events that are still to come: after the cursor, and not removed by retention. */
  readonly lag: number
  /** When it moved last, in milliseconds since 1970; undefined where it never was (then the offset is 0). */
  readonly moved: number | undefined
}

/**
 * The cursors of all users, on one node. A cursor never moves back within an epoch, whichever device or node
 * acknowledges. Whether the user may see the channel is the caller's question.
 */
export interface Cursors {
  /**
   * Resolves after the commit with where the cursor then stands, at the acknowledged offset or above it. Repeating an
   * ack is harmless.
   * @throws HoldfastError REQUEST_INVALID (above the channel's head, see details.head; a name or user that cannot be
   *   kept), POSITION_LOST (another epoch), LIMIT_EXCEEDED (too many cursors of this user), and for now OVERLOADED,
   *   SHUTTING_DOWN, DEPENDENCY_* (it may be kept or not)
   */
  ack(ack: Ack): Promise<CursorPlace>
  /** Its own epoch is told as it is: an offset of another epoch than the ledger's means nothing. @throws as `ack` */
  read(key: CursorKey): Promise<CursorState>
  /** Events that cursors have passed because of acknowledgements that came here. */
  readonly acknowledged: number
  readonly pool: PoolUse
  /** Flushes what waits, then closes the connections. */
  close(): Promise<void>
}
