/** A partition whose mirror was seen behind its ledger. */
export interface Behind {
  /** Where its mirror stands. */
  readonly last: number
  readonly lag: number
  /** For how many looks it has stood there. */
  readonly still: number
  /** Since when something that the ledger has is missing, by `performance.now()`. */
  readonly since: number
  /** What the ledger had then. */
  readonly missing: number
}

/**
 * What a look at a partition says after the last one. While events come all the time there is always one that the mirror
 * lacks: it is behind for as long as the same one has been missing, and begins anew with the next one.
 */
export function seenBehind(
  before: Behind | undefined,
  { last, head }: { readonly last: number; readonly head: number },
  now: number,
): Behind | undefined {
  if (last >= head) return undefined
  const still = before?.last === last ? before.still + 1 : 1
  const same = before !== undefined && last < before.missing
  const { since, missing } = same ? before : { since: now, missing: head }
  return { last, lag: head - last, still, since, missing }
}
