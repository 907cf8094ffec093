import type { ClientInfo, NamespaceOptions, Position } from '../domain/index.ts'
import type { HistoryPage, HistoryRequest, Outlet, RecoverRequest, Subscription } from '../hub/index.ts'
import type { Buckets } from '../telemetry/index.ts'
import type { DropReason } from './bus.ts'

export interface RealtimeSubscribe {
  readonly channel: string
  readonly outlet: Outlet
  readonly options: NamespaceOptions
  readonly recover?: RecoverRequest
  /** The client's wish to have a position although the namespace does not force one. */
  readonly positioned?: boolean
  /** The client's wish to be able to recover later. Whether it may have its wishes is the gateway's decision. */
  readonly recoverable?: boolean
}

export interface RealtimePublish {
  readonly channel: string
  /** JSON text. */
  readonly data: string
  readonly options: NamespaceOptions
  readonly info?: ClientInfo
  readonly tags?: Readonly<Record<string, string>>
  /** Do not keep it in the channel's history. */
  readonly skipHistory?: boolean
  /** A retry with the same key within five minutes is answered from memory and published once. */
  readonly idempotencyKey?: string
  /** Where it is traced: the `traceparent` of what it is a part of. */
  readonly trace?: string | undefined
}

export interface Signal {
  readonly channel: string
  /** Goes along as the tag `type`. */
  readonly type?: string
  /** JSON text. */
  readonly data: string
  readonly info?: ClientInfo
  /** One connection, or all connections of one user; without it everyone in the channel. */
  readonly to?: { readonly client: string } | { readonly user: string }
  /** A connection that does not get it (the sender, unless it asked for an echo). */
  readonly exclude?: string
  /** As in `RealtimePublish`. */
  readonly trace?: string | undefined
}

export interface PresenceStats {
  readonly clients: number
  readonly users: number
}

/** Since the start of the node. */
export interface RealtimeCounts {
  /** Messages that other nodes did not get because Redis was away, slow or full. */
  readonly dropped: Readonly<Record<DropReason, number>>
  /** Publications that went out without a number although their channel keeps a history. */
  readonly unnumbered: number
  /**
   * How often the bus brought nothing although it answered, and was connected anew; and how many channels were
   * subscribed again after a connection was lost.
   */
  readonly loop: { readonly losses: number; readonly resubscribed: number }
  /** Seconds from a message's acceptance on another node to its arrival here, by Redis' clock; of one in 16. */
  readonly busLatency: Buckets
}

/** Who is in a channel. Kept in Redis with an expiry; while Redis is away, this node's own view. */
export interface Presence {
  enter(channel: string, info: ClientInfo): Promise<void>
  leave(channel: string, info: ClientInfo): Promise<void>
  /** By client id. */
  list(channel: string): Promise<ReadonlyMap<string, ClientInfo>>
  stats(channel: string): Promise<PresenceStats>
}

/**
 * The lossy tier: at most once, in each sender's order. Delivery to this node's subscribers is immediate and never
 * waits for Redis; other nodes get it over the bus, or not at all.
 */
export interface RealtimeTier {
  readonly presence: Presence
  /** Whether other nodes can be reached at this moment. */
  readonly connected: boolean
  /** How often the others could not be reached any more, however shortly: each time what they sent may be missing. */
  readonly losses: number
  /** Whether publications in channels with history are numbered at this moment. */
  readonly numbering: boolean
  readonly counts: RealtimeCounts
  /**
   * Resolves when the bus has confirmed the channel, so that a publish on any node after the reply is delivered.
   * While Redis is away it resolves all the same, for what is published on this node; a session that wanted a place
   * then keeps the one it asked to recover from (or has none), and is ended with 2500 when Redis is back.
   * A session that ends before `join` was called has to be unsubscribed like any other.
   * @throws HoldfastError ALREADY_SUBSCRIBED, SHUTTING_DOWN
   */
  subscribe(request: RealtimeSubscribe): Promise<Subscription>
  unsubscribe(channel: string, client: string): void
  /**
   * Resolves when the node has accepted it; with history or an idempotency key, when Redis has decided. Where Redis is
   * away, or does not decide promptly, it is delivered on this node without an offset, and on the others if the bus
   * works; whoever relies on a place in the channel is told when Redis is back.
   * @throws HoldfastError OVERLOADED
   */
  publish(publication: RealtimePublish): Promise<Position | undefined>
  /** With `to` only the addressed get it, on whichever node they are. The empty user is nobody. */
  signal(signal: Signal): void
  /** A join or leave push to the channel's subscribers on all nodes. */
  announce(channel: string, kind: 'join' | 'leave', info: ClientInfo): void
  /** @throws HoldfastError NOT_AVAILABLE (none is kept), POSITION_LOST (another epoch), DEPENDENCY_* */
  history(request: HistoryRequest, options: NamespaceOptions): Promise<HistoryPage>
  /** Messages to all nodes, this one included, at most once: how the API reaches a session wherever it is. */
  readonly control: Control
  /** Channels with at least one subscriber on this node, and how many it has. */
  channels(): ReadonlyMap<string, number>
  close(): Promise<void>
}

/** Says `foreign` of a message that it does not know; one that nobody knows comes from another release. */
export type ControlListener = (message: unknown, fromNode: string) => unknown

export interface Control {
  /** `message` is JSON. */
  send(message: unknown): void
  onMessage(listener: ControlListener): () => void
}
