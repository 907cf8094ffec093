/**
 * A place in a channel. `offset` counts publications of one life of the numbering, `epoch` names that life:
 * an offset of another epoch means nothing. For durable channels the epoch is the ledger's.
 * The zero position (offset 0) is before the first publication.
 */
export interface Position {
  readonly epoch: string
  readonly offset: number
}
