import type { Appended, NamespaceOptions, NewEvent } from '../domain/index.ts'
import type { HistoryPage, HistoryRequest, Outlet, RecoverRequest, Subscription } from '../hub/index.ts'

export interface DurableSubscribe {
  readonly channel: string
  readonly outlet: Outlet
  readonly options: NamespaceOptions
  readonly recover?: RecoverRequest
}

export interface DurableStatus {
  /** `read_only`: it answers, and takes no writes. `behind_mirror`: it has lost events that were recorded, as the mirror or nodes know. */
  readonly ledger: 'ready' | 'unreachable' | 'read_only' | 'behind_mirror'
  readonly mirror: 'ready' | 'healing' | 'unreachable'
  readonly epoch: string
  /** What an operator has to do, where nothing else helps. */
  readonly advice?: string
}

/**
 * The lossless tier. An append is acknowledged after its commit in Postgres and never earlier; a subscriber sees
 * every offset of its channel once and in order, whatever happens to Redis, to nodes or to connections.
 */
export interface DurableTier {
  /**
   * @throws HoldfastError OFFSET_CONFLICT (details.head), DUPLICATE_CONFLICT (same id, other content),
   *   PAYLOAD_INVALID, LEDGER_BEHIND, DEPENDENCY_* (temporary: repeat with the same id)
   */
  append(event: NewEvent): Promise<Appended>
  subscribe(request: DurableSubscribe): Promise<Subscription>
  unsubscribe(channel: string, client: string): void
  /** @throws HoldfastError POSITION_LOST when `since` belongs to another epoch */
  history(request: HistoryRequest): Promise<HistoryPage>
  status(): DurableStatus
  /** Channels with at least one subscriber on this node, and how many it has. */
  channels(): ReadonlyMap<string, number>
  /** Finishes the appends in hand, then lets go of Redis and Postgres. */
  close(): Promise<void>
}
