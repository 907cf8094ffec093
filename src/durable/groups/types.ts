import type { Transaction } from '../../platform/index.ts'
import type { PoolUse } from '../ledger/answering-pool.ts'
import type { GroupMeter } from './group-meter.ts'
import type { Outcome } from './outcome.ts'

/** An event as a handler sees it. */
export interface HandlerEvent<Data = unknown, Params = Readonly<Record<string, string>>> {
  readonly id: string
  readonly type: string
  readonly channel: string
  /** The values of the pattern's parameters. */
  readonly params: Params
  /** Dense number in the channel. */
  readonly offset: number
  /** Where it lies in the ledger. */
  readonly partition: number
  readonly position: number
  readonly epoch: string
  /** Milliseconds since 1970. */
  readonly time: number
  readonly data: Data
  /** Who appended it, as JSON says it (`user`, `client`, `conn_info` …); undefined for the server itself. */
  readonly info: Readonly<Record<string, unknown>> | undefined
  /** Its place in a trace (W3C `traceparent`), where it is traced and has come through the log. */
  readonly traceparent?: string | undefined
}

export interface HandlerContext {
  /**
   * The transaction in which the event is settled. What is written through it is there exactly once, whatever is killed;
   * everything else a handler does is done at least once. Use it only until the handler returns.
   */
  readonly tx: Transaction
  /** The same object for all events that are handled in one transaction: what was read in it holds for all of them. */
  readonly turn: object
  /**
   * 1 for the first time, as far as is known: a killed process takes its count with it. Of a batch, that of the event which
   * has been tried most.
   */
  readonly attempt: number
  /** Aborted when the handler has taken too long, or its work would be lost (the lease is gone, the process must stop). */
  readonly signal: AbortSignal
  /** Says that the handler is alive: its time (`handlerTimeoutMs`) begins anew. */
  heartbeat(): Promise<void>
  /** Runs `act` right after the commit; it is lost when the process is killed in between. */
  afterCommit(act: () => void): void
}

// biome-ignore lint/suspicious/noConfusingVoidType: a handler that returns nothing is done
type Ending = Outcome | void

/** Returning nothing is `done()`. */
export type Handler<Data = unknown, Params = Readonly<Record<string, string>>> = (
  event: HandlerEvent<Data, Params>,
  context: HandlerContext,
) => Ending | Promise<Ending>

/**
 * Handles some events at once, in order per channel. Whatever it ends in holds for all of them: where it is not done, they
 * are handled again in ever smaller batches, until the one that it cannot be done with is alone. The array is the
 * handler's own.
 */
export type BatchHandler<Data = unknown, Params = Readonly<Record<string, string>>> = (
  events: readonly HandlerEvent<Data, Params>[],
  context: HandlerContext,
) => Ending | Promise<Ending>

export interface GroupOptions {
  /**
   * `ordered` (default): the events of a channel one after the other, in their order, each partition at one worker.
   * `competing`: every worker takes what comes next, without order.
   */
  readonly mode?: 'ordered' | 'competing'
  /** Where a group begins that did not exist before (default `beginning`). */
  readonly start?: 'beginning' | 'now'
  /**
   * How many events may share a transaction (default 1, at most 1,000). A larger batch is faster; when a handler in it
   * fails, the others are handled again.
   */
  readonly batchSize?: number
  /**
   * How long a transaction that is not full yet waits for more events (default 0, at most 4,000). Where much comes, batches
   * are large without it: whatever has collected is taken at once.
   */
  readonly batchDelayMs?: number
  /** How many transactions at a time this process works on for the group (default 4). */
  readonly concurrency?: number
  /** After so many attempts that threw or timed out an event is parked (default 10). */
  readonly maxAttempts?: number
  /** The pauses before those attempts: doubled from `first` up to `most`, spread by chance (default 1,000 to 300,000). */
  readonly retryMs?: { readonly first: number; readonly most: number }
  /** How long a handler may take without a heartbeat (default 30,000). */
  readonly handlerTimeoutMs?: number
}

export interface Group {
  readonly name: string
  /** Handles the events of these types (`*`: all) in the channels of a pattern. The first handler that matches counts. */
  on(pattern: string, types: string | readonly string[], handler: Handler): Group
  /**
   * As `on`, with all events of a transaction that follow each other and match in one call. Use it with a `batchSize`: by
   * default a batch is one event.
   */
  onBatch(
    patterns: string | readonly string[],
    types: string | readonly string[],
    handler: BatchHandler,
  ): Group
}

export interface GroupStatus {
  readonly name: string
  readonly mode: 'ordered' | 'competing'
  readonly paused: boolean
  /** Partitions that this process holds. */
  readonly partitions: readonly number[]
  /** Events that this process was given although they were settled, and that it has not handled again. */
  readonly suppressed: number
}

/** The consumer groups of one process. */
export interface Groups {
  /** @throws HoldfastError CONFIG_INVALID for a bad name or option, or one that is declared twice */
  group(name: string, options?: GroupOptions): Group
  /**
   * Begins to work; what is declared afterwards begins at once. Resolves when all groups are known to the ledger.
   * @throws HoldfastError CONFIG_INVALID where a group exists in the other mode; DEPENDENCY_*
   */
  work(): Promise<void>
  status(): readonly GroupStatus[]
  /** By group, how its handlers have fared in this process. */
  meters(): ReadonlyMap<string, GroupMeter>
  /** The connections in which handlers work; none before `work`. */
  pools(): readonly PoolUse[]
  /** Finishes what is in hand, at most so long, and lets go of the partitions. */
  close(withinMs: number): Promise<void>
}
