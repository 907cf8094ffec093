/** An acknowledged event that is not there. */
export interface LostEvent {
  readonly partition: number
  /** Undefined where nothing tells which channel it was in. */
  readonly channel: string | undefined
  readonly offset: number | undefined
  readonly position: number | undefined
  /** What tells of it. */
  readonly says: string
}

/**
 * `mirror_missing`, `mirror_other`: the log lacks an event, or tells of another than the ledger; `history_other`: a channel's
 * history does; `erased_copy`: a copy still tells what was erased.
 */
export type MirrorMismatch = 'mirror_missing' | 'mirror_other' | 'history_other' | 'erased_copy'

/** Something that differs between the ledger and a copy of it. */
export interface Difference {
  readonly kind: MirrorMismatch
  readonly partition: number
  readonly channel: string
  readonly offset: number
}

/** What was found in one partition. */
export interface PartitionAudit {
  readonly partition: number
  /** `recent`: the newest events and the mirror; `whole`: the numbering of every event. */
  readonly scope: 'recent' | 'whole'
  /** How many are missing; more than are named in `lost` where they are very many. */
  readonly lostCount: number
  readonly lost: readonly LostEvent[]
  readonly differences: readonly Difference[]
  readonly checked: Readonly<Partial<Record<'ledger' | 'mirror' | 'history', number>>>
}
