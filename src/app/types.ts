import type { Server } from 'node:http'
import type { PgTable } from 'drizzle-orm/pg-core'
import type { Aggregate, AggregateDefinition, Commanded, CommandOptions } from '../commands/index.ts'
import type {
  ChannelOf,
  Contract,
  EventDataOf,
  EventTypeOf,
  ParamsOf,
  PublishDataOf,
} from '../contract/index.ts'
import type { Appended, ClientInfo, Position } from '../domain/index.ts'
import type { GroupOptions, Handler, Operations, ScheduleOptions } from '../durable/index.ts'
import type {
  AuthenticateHook,
  Authorization,
  AuthorizeCall,
  PublishCall,
  RpcCall,
} from '../gateway/index.ts'
import type { Config, ConfigInput, Logger, RuleInput } from '../platform/index.ts'
import type { ProberStatus } from '../prober/index.ts'
import type { BatchSink, BatchSinkOptions } from '../projections/index.ts'
import type { BreakerControl } from './breakers.ts'
import type { ContractGroup } from './group-types.ts'
import type { DeclareProjection } from './projections.ts'

export interface HoldfastOptions<C extends Contract> extends ConfigInput {
  /** Channel patterns with the schemas of what they carry; an event that does not match is refused. */
  readonly contract?: C
  /** By default a logger to standard output at `log.level`. */
  readonly logger?: Logger
  /** Shown in `info` and logs; by default made from the host's name and the process id. */
  readonly nodeName?: string
}

export interface AppendOptions {
  /** A UUID that makes a retry recognisable. Without it every call is an event of its own. */
  readonly id?: string
  /** Append only if the channel's head is exactly this offset (0: the channel is empty). */
  readonly expectedOffset?: number
}

export interface PublishOptions {
  readonly tags?: Readonly<Record<string, string>>
  /** A retry with the same key is published once. */
  readonly idempotencyKey?: string
}

type Answer<T> = T | Promise<T>

/** An authorization call with the pattern's own parameters. */
export type PatternAuthorizeCall<Pattern extends string> = Omit<AuthorizeCall, 'params'> & {
  readonly params: Readonly<ParamsOf<Pattern>>
}

/** What a client wants to say, with the pattern's own parameters. */
export type PatternPublishCall<Pattern extends string> = Omit<PublishCall, 'params'> & {
  readonly params: Readonly<ParamsOf<Pattern>>
}

/** A page of a channel's past as values. */
export interface HistoryResult {
  readonly publications: readonly {
    readonly data: unknown
    readonly offset?: number
    readonly tags?: Readonly<Record<string, string>>
    readonly time?: number
  }[]
  /** The head. */
  readonly offset: number
  readonly epoch: string
}

/** One node of Holdfast inside an application. */
export interface Holdfast<C extends Contract = Contract> {
  readonly config: Config
  readonly node: { readonly id: string; readonly name: string }

  /** Says who a connection is, before any configured token is looked at. One hook; the last one set counts. */
  authenticate(hook: AuthenticateHook): void
  /** Decides for the channels of a pattern, in place of their `allow` lists. */
  authorize<Pattern extends string>(
    pattern: Pattern,
    hook: (call: PatternAuthorizeCall<Pattern>) => Answer<boolean | Authorization | undefined | null>,
  ): void
  /** Answers an `rpc` command of this name; what it returns is sent as JSON. Throw a `HoldfastError` to refuse. */
  rpc(method: string, hook: (call: RpcCall) => unknown): void
  /**
   * Sees what a client publishes, appends (`type` is then set) or signals before it is accepted: return nothing to
   * accept it untouched, a value to put in its place, or throw a `HoldfastError` to refuse it. The same data must get
   * the same value: a client that has lost an answer repeats its append, which is recognised by its id *and* data.
   */
  onPublish<Pattern extends string>(
    pattern: Pattern,
    hook: (call: PatternPublishCall<Pattern>) => unknown,
  ): void

  /**
   * Publishes as the server. Resolves on a realtime channel when the node has accepted it, on a durable one after
   * the commit.
   * @throws HoldfastError CHANNEL_UNKNOWN, PAYLOAD_INVALID, DEPENDENCY_* and others
   */
  publish<Channel extends ChannelOf<C>>(
    channel: Channel,
    data: PublishDataOf<C, Channel>,
    options?: PublishOptions,
  ): Promise<Position | undefined>
  /**
   * Records an event. Resolves after the commit.
   * @throws HoldfastError OFFSET_CONFLICT, DUPLICATE_CONFLICT, PAYLOAD_INVALID, NOT_AVAILABLE (realtime channel),
   *   DEPENDENCY_* (temporary: repeat with the same id)
   */
  append<Channel extends ChannelOf<C>, Type extends EventTypeOf<C, Channel>>(
    channel: Channel,
    type: Type,
    data: EventDataOf<C, Channel, Type>,
    options?: AppendOptions,
  ): Promise<Appended>
  /**
   * Declares an aggregate: its channels then take commands, from the library, from clients and over HTTP. Declare it before
   * the node listens.
   * @throws HoldfastError CONFIG_INVALID for a definition that cannot be right, or one that is there already; NOT_AVAILABLE
   *   without Postgres
   */
  aggregate<Pattern extends string, State, Event, Schemas>(
    definition: AggregateDefinition<Pattern, State, Event, Schemas>,
  ): Aggregate<Pattern, State, Schemas>
  /**
   * Carries out a command in the state that its channel is in. Resolves after the commit of all its events; repeated with
   * the same `id` it is answered with what the first one has recorded.
   * @throws HoldfastError what the command refuses with; METHOD_UNKNOWN, NOT_AVAILABLE (no aggregate, or its beginning was
   *   removed), PAYLOAD_INVALID, OFFSET_CONFLICT (others were faster again and again), INTERNAL (the application's code),
   *   DEPENDENCY_* (temporary: repeat with the same id)
   */
  command(
    channel: ChannelOf<C>,
    command: string,
    input?: unknown,
    options?: CommandOptions,
  ): Promise<Commanded>
  /** A page: at most `limit` events, fewer where they are large; go on until the head that it names. */
  history(
    channel: ChannelOf<C>,
    request?: { since?: Position; limit?: number; reverse?: boolean },
  ): Promise<HistoryResult>
  presence(channel: ChannelOf<C>): Promise<ReadonlyMap<string, ClientInfo>>
  /** Ends a user's connections, on whichever node they are; SDKs do not come back. */
  disconnect(user: string, reason?: string): Promise<void>
  /** Ends a user's subscription to a channel, on whichever node it is. */
  unsubscribe(user: string, channel: ChannelOf<C>): Promise<void>

  /**
   * Declares a consumer group: server-side work on durable events, each handled once in effect, on one of all processes
   * that declare the group. It begins with `work` or `listen`.
   * @throws HoldfastError CONFIG_INVALID for a bad name or option, or one that is declared twice; NOT_AVAILABLE without
   *   Postgres
   */
  group(name: string, options?: GroupOptions): ContractGroup<C>
  /**
   * Declares a consumer group that writes the rows of events into a table of the application's, many at a time, each once.
   * @throws HoldfastError CONFIG_INVALID as `group`, and for a bad option; NOT_AVAILABLE without Postgres
   */
  batchSink<Table extends PgTable, Channels extends string, Types extends string>(
    name: string,
    options: BatchSinkOptions<Table, C, Channels, Types>,
  ): BatchSink
  /**
   * Declares a projection: a read model that this process helps to fill, and reads. It is filled from `work` or `listen` on.
   * @throws HoldfastError CONFIG_INVALID for one that is declared twice; NOT_AVAILABLE without Postgres
   */
  readonly projection: DeclareProjection
  /**
   * Declares a rule: the events it names become jobs, to a webhook, to a `job` of this application, or to a queue of its
   * own. It applies to what is recorded after it was first seen.
   * @throws HoldfastError CONFIG_INVALID, NOT_AVAILABLE without Postgres
   */
  rule(name: string, definition: RuleInput): void
  /**
   * What rules with `handler: name` call, once in effect for what it writes through `tx`.
   * @throws HoldfastError CONFIG_INVALID for a name that is taken
   */
  job(name: string, handler: Handler): void
  /**
   * Appends or publishes at a time, after a delay, or again and again by a cron expression. Written to Postgres; one
   * of the same name is replaced.
   * @throws HoldfastError REQUEST_INVALID, CHANNEL_INVALID, DEPENDENCY_*
   */
  schedule(name: string, options: ScheduleOptions): Promise<void>
  /** False: there is none of this name. */
  unschedule(name: string): Promise<boolean>
  /**
   * Begins the work behind the log: groups, jobs, the outbox, retention. `listen` does it too, unless `role` is
   * `gateway`. Resolves when the groups are known to the ledger.
   * @throws HoldfastError CONFIG_INVALID, DEPENDENCY_*
   */
  work(): Promise<void>
  /** What operators see and do. @throws HoldfastError NOT_AVAILABLE without Postgres */
  readonly operations: Operations

  /** What this node depends on, how that fares, and an operator's hand on it. */
  readonly breakers: BreakerControl

  /** What canaries and the auditor have found on this node; undefined where they are off (`prober.enabled`). */
  readonly prober: ProberStatus | undefined

  /** Listens on `http.host` and `http.port`. @throws HoldfastError CONFIG_INVALID where the port is taken */
  listen(): Promise<{ readonly host: string; readonly port: number }>
  /** Serves Holdfast's paths on an application's own server; everything else stays the application's. Call `work` yourself. */
  attach(server: Server): void
  /**
   * Says that it is not ready, hands its groups and jobs over, and serves on for `limits.drainDelayMs`. Then it stops
   * accepting, sends clients elsewhere with 3001 over `limits.drainSpreadMs`, finishes the appends in hand, and lets go
   * of Redis and Postgres. Clients that are not gone after `limits.drainTimeoutMs` are cut.
   */
  close(): Promise<void>
}
