import type { Position } from '../domain/index.ts'

/**
 * Why a place cannot be continued from: it is of another epoch, what lies behind it was removed, it lies above the head, or
 * more lies behind it than may be pushed (the client reads it page by page).
 */
export const lostBy = ['epoch', 'removed', 'ahead', 'too_many'] as const
export type LostBy = (typeof lostBy)[number]

/**
 * The outcome of a tier's `subscribe`, before the session is live. The gateway writes the reply from it, pushes
 * the reply, and calls `join` in the same turn: so the reply stands before any publication of the channel, and
 * nothing published after it is missed.
 */
export interface Subscription {
  /** Set when the channel numbers its publications; for a recovered subscription the *requested* place. */
  readonly position?: Position
  readonly recoverable: boolean
  readonly positioned: boolean
  /** Recovery was asked for. */
  readonly wasRecovering: boolean
  /** Everything after the requested place will be delivered: in `publications`, then as pushes after `join`. */
  readonly recovered: boolean
  /** Why not, where it was asked for. */
  readonly lost?: LostBy
  /** Durable tier: the first offset there is, where retention has removed some of what was asked for. */
  readonly first?: number
  /** Encoded publications (`encodePublication`) that ride in the reply, in order. */
  readonly publications: readonly string[]
  /** Makes the session live. Does nothing when the session or the subscription has ended meanwhile. */
  join(): void
}

/** A place a client asks to continue from. An empty epoch matches any. */
export interface RecoverRequest {
  readonly offset: number
  readonly epoch: string
}

/** A page of a channel's past, as `history` replies have it. */
export interface HistoryPage {
  /** Encoded publications. */
  readonly publications: readonly string[]
  /** The head: offset of the last publication there is. */
  readonly offset: number
  readonly epoch: string
  /** Durable tier: the last offset that retention has removed; 0 where everything is still there. */
  readonly floor?: number
}

export interface HistoryRequest {
  readonly channel: string
  /** Exclusive. Without it: from the start, or with `reverse` from the head. An empty epoch matches any. */
  readonly since?: RecoverRequest
  /** 0 asks for the position only. */
  readonly limit: number
  readonly reverse: boolean
}
