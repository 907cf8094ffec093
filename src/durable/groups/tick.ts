/** A partition that this member holds the lease of. */
export interface HeldPartition {
  readonly partition: number
  readonly epoch: string
  /** The checkpoint, or the floor of a competing group, at the moment of the tick. */
  readonly position: number
  /** Another number than before: it was somebody else's in between, and what was known of it means nothing. */
  readonly fence: number
  /** Another member has too few: finish what is in hand, and let go. */
  readonly surplus: boolean
}

export interface Tick {
  readonly held: readonly HeldPartition[]
  /** Take up nothing new, and leave everything where it is. */
  readonly paused: boolean
}
