import type { LostBy, RecoverRequest } from '../../hub/index.ts'

/** The channel as its feed knows it. */
export interface FeedPlace {
  readonly epoch: string
  readonly position: number
  /** The last offset that retention is known to have removed. */
  readonly floor: number
}

/**
 * What a wish to continue comes to.
 *   fresh     none was uttered: live from the position on
 *   ahead     it lies above what this node has seen: only the ledger can say whether it exists
 *   level     nothing was missed
 *   read      everything after `since` has to be read
 *   lost      for a permanent reason it can't be kept: live from the position on, and the client is told
 */
export type Recovery = 'fresh' | 'ahead' | 'level' | 'read' | { readonly lost: LostBy }

export function decideRecovery(
  recover: RecoverRequest | undefined,
  place: FeedPlace,
  maxPushed: number,
): Recovery {
  if (!recover) return 'fresh'
  if (recover.epoch !== '' && recover.epoch !== place.epoch) return { lost: 'epoch' }
  if (recover.offset > place.position) return 'ahead'
  if (recover.offset === place.position) return 'level'
  if (recover.offset < place.floor) return { lost: 'removed' }
  return place.position - recover.offset > maxPushed ? { lost: 'too_many' } : 'read'
}
