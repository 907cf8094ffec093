import type { Lane } from './lane.ts'
import type { Packet } from './packet.ts'
import type { Turn } from './turn.ts'

/**
 * A session as the tiers see it: somewhere to put packets.
 *
 * `push` never blocks, never throws and may be called after the session has ended (then it does nothing).
 * The bytes waiting in the lanes other than `replay` are bounded: above the bound the session is cut as a
 * slow consumer (3008).
 */
export interface Outlet {
  /** The connection's id (`client` on the wire). */
  readonly client: string
  /** The user's id; the empty string for an anonymous client. */
  readonly user: string
  readonly closed: boolean
  /** At whose end it is written; the same one for all sessions of a node. */
  readonly turn: Turn
  push(lane: Lane, packet: Packet): void
  /**
   * Resolves when everything put into the replay lane before this call has been handed to the socket (at once
   * where the lane is empty), or the session has ended: look at `closed` afterwards. Replay is paced by this, so
   * it never counts as a slow consumer; and a session changes from the replay lane to the durable one only after
   * it, because a live event would overtake replayed ones still waiting.
   */
  replayRoom(): Promise<void>
  /** Ends one subscription from the server's side with an unsubscribe push; the code says whether to come back. */
  endSubscription(channel: string, code: number, reason: string): void
}
