import type { NewEvent, StoredEvent } from '../../domain/index.ts'
import type { RemoteClock, Sql } from '../../platform/index.ts'
import type { PoolUse } from './answering-pool.ts'
import type { AppendMeter } from './append-meter.ts'
import type { LossWatch } from './loss-watch.ts'

/** What became of one event of a batch. */
export type Outcome =
  | { readonly kind: 'stored'; readonly event: StoredEvent }
  | { readonly kind: 'duplicate'; readonly offset: number; readonly time: number }
  | { readonly kind: 'conflict'; readonly head: number }
  /** Without a code: the id is taken by an event with another type or data (DUPLICATE_CONFLICT). */
  | {
      readonly kind: 'refused'
      readonly reason: string
      readonly code?: 'DUPLICATE_CONFLICT' | 'PAYLOAD_INVALID'
    }

/** What became of events that are recorded all or not at all. A `duplicate` or `refused` is that of the first one. */
export type TogetherOutcome =
  | { readonly kind: 'stored'; readonly events: readonly StoredEvent[] }
  | Exclude<Outcome, { readonly kind: 'stored' }>

export interface ChannelHead {
  /** Offset of the channel's last event; 0 where there never was one. */
  readonly head: number
  /** The last offset that retention has removed: the first one there is is `floor + 1`. */
  readonly floor: number
}

/** Surviving events of [from, through] of a partition; what is missing in between, retention has removed. */
export interface PartitionPage {
  readonly events: readonly StoredEvent[]
  readonly from: number
  readonly through: number
}

/** The positions after … through of a partition. */
export interface PartitionRange {
  readonly partition: number
  /** Exclusive. */
  readonly after: number
  /** Inclusive. */
  readonly through: number
}

/** How far subscribers have been given channels, in one epoch. */
export interface Delivered {
  readonly epoch: string
  readonly offsets: ReadonlyMap<string, number>
}

/** A place in a channel: everything up to and including `since` is known. */
export interface ChannelPlace {
  readonly channel: string
  readonly since: number
}

export interface ChannelRequest {
  /** Exclusive. */
  readonly since?: number
  readonly limit: number
  /** Bytes of data, behind the first of which no further event begins. Finding that end costs a third of a read. */
  readonly maxBytes?: number
  readonly reverse?: boolean
}

export interface ChannelPage extends ChannelHead {
  /** In ascending order, dense; with `reverse` in descending order. */
  readonly events: readonly StoredEvent[]
}

/**
 * The truth: append only, in Postgres. Every answer about heads and pages comes from one statement on the
 * primary, so a page and its head never disagree. Calls fail with DEPENDENCY_TIMEOUT or DEPENDENCY_FAILED, and with
 * DEPENDENCY_REJECTED at once while Postgres is known to be away.
 */
export interface Ledger {
  readonly epoch: string
  /**
   * The start of the server that has been checked, and on which alone events may be recorded; empty while the ledger is
   * known to have lost some.
   */
  readonly server: string
  /** Whether the primary was last seen to take no writes: it answers reads, and appends fail. */
  readonly readOnly: boolean
  /** What is known to have been recorded, and whether the ledger has lost some of it: appends fail with LEDGER_BEHIND then. */
  readonly losses: LossWatch
  /** How appends fare. */
  readonly meter: AppendMeter
  /** Its connections. */
  pools(): readonly PoolUse[]
  /** The server's clock, as its answers tell it. */
  readonly clock: RemoteClock
  readonly partitions: number
  partitionOf(channel: string): number
  /**
   * Group commit: repeats the batch while its fate is unknown, so the answer is true when it comes. The id is
   * looked up before `expectedOffset` is judged.
   */
  append(event: NewEvent & { readonly id: string }): Promise<Outcome>
  /**
   * Records events of one channel all or not at all, in one commit and next to each other: no other event lies between
   * two of them. The first one's `expectedOffset` is that of all, and needed. Where the first one's id is known, none is
   * recorded.
   */
  appendTogether(events: readonly (NewEvent & { readonly id: string })[]): Promise<TogetherOutcome>
  /** Called after each commit with what it stored, in position order per partition, before `append` resolves. */
  onStored(listener: (events: readonly StoredEvent[]) => void): () => void
  /** Tells the listeners what was stored past `append`, by the outbox's relay. In position order per partition. */
  announce(events: readonly StoredEvent[]): void
  /** Called when the ledger's epoch has been found to be another one (`ledger new-epoch`). */
  onEpoch(listener: (epoch: string) => void): () => void
  /** A statement of another room, over the connections for reads and under their guard. */
  query<T>(work: (sql: Sql) => PromiseLike<T>): Promise<T>
  readChannel(channel: string, request: ChannelRequest): Promise<ChannelPage>
  /** Where the event of this id lies in a channel; undefined where it has none. */
  offsetOf(channel: string, id: string): Promise<number | undefined>
  /**
   * Events with positions from … (inclusive), at most `limit` of them, and fewer where they are large. `through` ≥ from − 1
   * says how far it looked; above the last event only where there is none.
   */
  readPartition(partition: number, from: number, limit: number): Promise<PartitionPage>
  /** The channels that events of these stretches belong to, each with its last offset there. */
  movedChannels(ranges: readonly PartitionRange[]): Promise<ReadonlyMap<string, number>>
  /**
   * What channels have after their places, place by place and in ascending order: of each at most `perChannel` events, and
   * behind `maxBytes` of data no further event begins.
   */
  readAfter(
    places: readonly ChannelPlace[],
    bounds: { readonly perChannel: number; readonly maxBytes: number },
  ): Promise<readonly StoredEvent[]>
  /** A head below what was delivered before is a loss, and judged as one. */
  channelHeads(channels: readonly string[], delivered?: Delivered): Promise<ReadonlyMap<string, ChannelHead>>
  /** The last position of each asked partition (0: empty). */
  partitionHeads(partitions: readonly number[]): Promise<ReadonlyMap<number, number>>
  /** Resolves when Postgres answers. */
  ping(): Promise<void>
  /** Waits for the batches in flight, then closes the connections. */
  close(): Promise<void>
}
