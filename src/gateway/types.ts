import type { Action, Appended, ClientInfo, NamespaceOptions, NewEvent, Position } from '../domain/index.ts'
import type { DurableStatus } from '../durable/index.ts'
import type { HistoryPage, HistoryRequest, RecoverRequest } from '../hub/index.ts'
import type { PresenceStats, Signal } from '../realtime/index.ts'

/** What a connection may be, as a token or the application's `authenticate` hook says. */
export interface Credentials {
  /** The empty string: anonymous. */
  readonly user: string
  /** JSON text shown to others in presence and publications. */
  readonly info?: string
  /** Seconds since 1970; the client has to refresh by then. */
  readonly expireAt?: number
  /**
   * Server-side subscriptions, the personal channel among them, with JSON texts for the channel's info and the
   * subscribe reply's data.
   */
  readonly subscriptions: ReadonlyMap<string, { readonly info?: string; readonly data?: string }>
  /** One of Holdfast's own, which nobody counts, lists or ends as a client. */
  readonly canary?: boolean
  /** Of a canary: the channels in which everything that it says is traced, where anything is. */
  readonly traced?: ReadonlySet<string>
}

/** What a channel token, or the `authorize` hook, grants for one channel. */
export interface ChannelGrant {
  readonly info?: string
  readonly data?: string
  /** Seconds since 1970. */
  readonly expireAt?: number
  /** The subscriber is in no presence, and nobody is told that it came. */
  readonly unseen?: boolean
}

/** What a client brings to the connect command. */
export interface Handshake {
  readonly token: string
  readonly data: unknown
  /**
   * By names in lower case: those of the request that opened the connection, and beneath them what the client says
   * in its connect command, since browsers can set none. So only what a proxy of yours sets on every request is proof.
   */
  readonly headers: Readonly<Record<string, string>>
  readonly cookies: Readonly<Record<string, string>>
  readonly client: string
  /** The connection has come in by the console's own listener (`console.port`). */
  readonly byConsole?: boolean
}

export interface Authenticator {
  /** @throws HoldfastError TOKEN_EXPIRED, TOKEN_INVALID, NOT_AUTHENTICATED, DEPENDENCY_* (temporary) */
  connect(handshake: Handshake): Promise<Credentials>
  /** @throws HoldfastError TOKEN_EXPIRED, TOKEN_INVALID (also where the token is another user's) */
  refresh(token: string, user: string): Promise<Credentials>
  /**
   * @throws HoldfastError TOKEN_EXPIRED, NOT_PERMITTED (signature), TOKEN_INVALID (another channel, user or client)
   */
  channel(token: string, who: { user: string; client: string; channel: string }): Promise<ChannelGrant>
}

export interface Requester {
  readonly user: string
  readonly client: string
  /** Whether it is subscribed to the channel now. */
  subscribed(channel: string): boolean
  /** The grant of the channel token it subscribed with, while that subscription lives. */
  grant(channel: string): ChannelGrant | undefined
}

export interface Permissions {
  /**
   * Decides by the namespace's `allow` lists, then the application's `authorize` hooks.
   * @throws HoldfastError CHANNEL_UNKNOWN, CHANNEL_INVALID, NOT_AVAILABLE, NOT_PERMITTED, DEPENDENCY_TIMEOUT (hook)
   */
  check(action: Action, channel: string, who: Requester, token?: string): Promise<ChannelGrant>
  /**
   * Whether a client may send commands to a channel: `ask` the command itself, which denies where it says nothing.
   * @throws HoldfastError CHANNEL_UNKNOWN, CHANNEL_INVALID, NOT_AVAILABLE, NOT_PERMITTED
   */
  checkCommand(channel: string, who: Requester): 'granted' | 'ask'
}

/** One connection as the API and the library see it. */
export interface SessionHandle {
  readonly client: string
  readonly user: string
  channels(): Iterable<string>
  /** Ends it with a code of `protocol/disconnects.ts`. */
  disconnect(code: number, reason: string): void
  unsubscribe(channel: string, code: number, reason: string): void
  /** A server-side subscription, told to the client by a subscribe push. */
  subscribe(
    channel: string,
    options: { info?: string; data?: string; recover?: RecoverRequest },
  ): Promise<void>
  /** Server-side refresh: a new expiry, or with `expired` the end (3005). */
  refresh(options: { expireAt?: number; expired?: boolean }): void
}

/** The connections of this node. */
export interface Sessions {
  readonly size: number
  get(client: string): SessionHandle | undefined
  ofUser(user: string): Iterable<SessionHandle>
  userCount(): number
}

/** Publishing and reading by channel, whatever its tier; no permission is asked here. */
export interface Router {
  /** @throws HoldfastError CHANNEL_UNKNOWN, CHANNEL_INVALID */
  options(channel: string): NamespaceOptions
  publish(publication: {
    channel: string
    data: string
    info?: ClientInfo
    tags?: Readonly<Record<string, string>>
    skipHistory?: boolean
    /** Durable: the event's id; realtime: a retry is answered from memory. */
    idempotencyKey?: string
    /** Durable: the event's type; `publication` where nothing is said. */
    type?: string
    /** Where it is traced: the `traceparent` of what it is a part of. */
    trace?: string | undefined
  }): Promise<Position | undefined>
  /** @throws HoldfastError NOT_AVAILABLE on a realtime channel, and what the tier throws */
  append(event: NewEvent): Promise<Appended>
  /** Resolves when the node has accepted it. @throws HoldfastError NOT_AVAILABLE on a durable channel */
  signal(signal: Signal): Promise<void>
  history(request: HistoryRequest): Promise<HistoryPage>
  presence(channel: string): Promise<ReadonlyMap<string, ClientInfo>>
  presenceStats(channel: string): Promise<PresenceStats>
  /** Channels with subscribers on this node. */
  channels(): ReadonlyMap<string, number>
  /** `busLosses`: how often the bus has become unreachable, which may have been too short to be seen. */
  status(): { durable: DurableStatus; bus: 'ready' | 'unreachable'; busLosses: number }
}

/** A command for the aggregate that a channel is. */
export interface CommandCall {
  readonly channel: string
  readonly command: string
  readonly input: unknown
  readonly id?: string
  readonly info?: ClientInfo
  /** Who the command has to allow it to; without one it is the server itself. */
  readonly caller?: { readonly user: string; readonly client: string }
  /** Throws where nobody waits for it any more. */
  readonly wanted?: () => void
  /** Where it is traced: the `traceparent` of what it is a part of. */
  readonly trace?: string | undefined
}

/** What a command has recorded. */
export interface CommandResult {
  readonly id: string
  readonly offset: number
  readonly epoch: string
  readonly events: readonly { readonly id: string; readonly type: string; readonly offset: number }[]
  readonly duplicate: boolean
}

/** Carries out commands. */
export interface CommandRunner {
  /** @throws HoldfastError what the application refuses with, and what `commands` names */
  run(call: CommandCall): Promise<CommandResult>
}

/** The application's own code in the path of a command (`design`: hooks deny with a temporary error when they fail). */
export interface Hooks {
  rpc(method: string): ((call: RpcCall) => unknown) | undefined
  /**
   * Sees what a client publishes, appends or signals: returns undefined to let it pass untouched or a value to put in
   * its place, throws a HoldfastError to refuse. The caller knows no pattern: it leaves `params` empty, and who found
   * the hook by one fills them in.
   */
  onPublish(channel: string): ((call: PublishCall) => unknown) | undefined
}

export interface RpcCall {
  readonly user: string
  readonly client: string
  readonly method: string
  readonly data: unknown
}

export interface PublishCall {
  readonly user: string
  readonly client: string
  readonly channel: string
  readonly params: Readonly<Record<string, string>>
  /** The event's type, where it is an append, or a signal that has one. */
  readonly type?: string
  readonly data: unknown
}
