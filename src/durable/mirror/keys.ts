/** Names of one partition's keys; all share a hash tag, so one script stays in one slot of a Redis Cluster. */
export interface PartitionKeys {
  readonly meta: string
  readonly log: string
  /** Held by the node that fills: a hint that spares work, no fence. */
  readonly lease: string
  /** Bus channel that says: the partition has moved without announcing each event. */
  readonly notice: string
  /** Bus channel that says how far the log now goes, after whatever was written to it. */
  readonly news: string
}

/**
 * The epoch is part of every name, so two ledgers on one Redis do not mix. A copy of a database has the epoch of the original
 * until it begins another one.
 */
export function partitionKeys(epoch: string, partition: number): PartitionKeys {
  const tag = `{${epoch}.${partition}}`
  return {
    meta: `${tag}:meta`,
    log: `${tag}:log`,
    lease: `${tag}:lease`,
    notice: `${tag}:notice`,
    news: `${tag}:news`,
  }
}

/** Where a loss of the ledger is written down. */
export function lossKey(epoch: string): string {
  return `{${epoch}}:lost`
}

/** The bus channel on which the mirror announces a durable channel's events. */
export function busChannel(epoch: string, partition: number, channel: string): string {
  return `{${epoch}.${partition}}:c:${channel}`
}
