import type { Centrifuge, Options } from 'centrifuge'
import { abortable } from './abortable.ts'
import { type AppendCommand, type Appended, Appender, type CommandCall, type Commanded } from './appender.ts'
import { threadBreath } from './breath.ts'
import { type Channel, openChannel } from './channel.ts'
import { systemClock } from './clock.ts'
import type { ChannelOf, Contract } from './contract.ts'
import { Cursors } from './cursor.ts'
import { clientError, codes, HoldfastClientError } from './errors.ts'
import { Feeds } from './feed.ts'
import { KeptPlaces, type PositionStore } from './kept-places.ts'
import { Listeners } from './listeners.ts'
import { Progress } from './progress.ts'
import { guard, reporter } from './report.ts'
import type { SocketConstructor } from './rotation.ts'
import { openConnection } from './sdk.ts'
import { type ClientStatus, type ServerState, Status } from './status.ts'
import type { ErrorContext, Gap } from './types.ts'

export type ConnectionState = 'disconnected' | 'connecting' | 'connected'

export interface ClientOptions {
  /** The connection token (JWT), and how to get a new one. */
  readonly token?: string
  readonly getToken?: () => Promise<string>
  /** Given to the server with the connect command. */
  readonly data?: unknown
  /** Headers for the server's `authenticate`, which a browser could not set. */
  readonly headers?: Readonly<Record<string, string>>
  /** Errors that nobody awaits; without it the first of each kind is written to the console. */
  readonly onError?: (error: unknown, context: ErrorContext) => void
  readonly onState?: (state: ConnectionState, why: { code: number; reason: string }) => unknown
  /** A WebSocket implementation where there is no global one. */
  readonly websocket?: SocketConstructor
  /** How long to wait for a connection and for each reply, in milliseconds (default 5,000). */
  readonly timeoutMs?: number
  /** The delays between attempts to connect, in milliseconds (default 500 to 20,000, spread by chance). */
  readonly reconnectDelayMs?: { readonly min: number; readonly max: number }
  /**
   * How many appends of one channel may be under way at a time. With 1 (the default) they are recorded in the
   * order in which they were issued, whatever fails. A larger window is faster over a long way, and one that has to be
   * repeated may be overtaken by at most `appendWindow − 1` later ones.
   */
  readonly appendWindow?: number
  /** How many appends and commands may wait in all (default 10,000); above it `append` rejects with `codes.overloaded`. */
  readonly maxPendingAppends?: number
  /**
   * Where subscriptions with `keep` keep their places: `session` (the default) over a reload of this tab, `local` for all
   * tabs and times, or a storage of your own.
   */
  readonly positions?: 'session' | 'local' | PositionStore
  /**
   * Where the application's own trace stands (W3C `traceparent`): asked at each `append`, `command` and `signal`, and sent with
   * it. What the server traces is linked to it; whether it traces is the server's decision, and what is no `traceparent` it
   * passes over. `publish` carries none.
   */
  readonly traceparent?: () => string | undefined
}

/** What `client.on` tells of. */
export interface ClientEvents {
  /** The client's status has changed. */
  readonly state: ClientStatus
  /** Events are missed for good, in whichever channel; also told to that subscription's `onReset`. */
  readonly gap: Gap
  /**
   * The node reaches the others again. What was published elsewhere meanwhile has not come on channels that do not number;
   * where the node was left for another one, they are subscribed to anew instead.
   */
  readonly reachable: ServerState
}

export interface Client<C extends Contract = Contract> {
  /** Of the connection alone; `status` says more. */
  readonly state: ConnectionState
  /**
   * How the client is; the same object until that changes. What the node says about itself is asked for from the first
   * `on('state')` or `on('reachable')`, `presence.watch` or `liveTable`, on.
   */
  readonly status: ClientStatus
  /** Listens to changes of the status, to gaps, or to the end of a node's loneliness. Returns how to stop; so does `signal`. */
  on<Name extends keyof ClientEvents>(
    name: Name,
    listener: (told: ClientEvents[Name]) => unknown,
    options?: { readonly signal?: AbortSignal },
  ): () => void
  /** The address of the last attempt. */
  readonly url: string
  /** The id of the connection; undefined while there is none. */
  readonly id: string | undefined
  /** Appends and commands that are not recorded yet. */
  readonly pendingAppends: number
  /**
   * Connects, and reconnects until `disconnect` or the server's final word. The promise resolves with the first
   * connection, rejects at that final word, and need not be awaited. `signal` ends the waiting, not the connecting.
   */
  connect(options?: { readonly signal?: AbortSignal }): Promise<void>
  /**
   * Ends the connection. Appends that are not recorded yet are rejected with `codes.disconnected`; acknowledgements that
   * are on their way are dropped, so await `cursor.flush()` first.
   */
  disconnect(): void
  channel<Name extends ChannelOf<C>>(name: Name): Channel<C, Name>
  /** Calls a method of the application; tried once. @throws HoldfastClientError */
  rpc<Result = unknown>(
    method: string,
    data?: unknown,
    options?: { readonly signal?: AbortSignal },
  ): Promise<Result>
  /** The Centrifuge SDK underneath, for what is not offered here. Handlers set there must not throw. */
  readonly sdk: Centrifuge
}

/** How many appends may be under way on one connection, over all channels. */
const maxInFlightAppends = 128

/**
 * A client of one Holdfast server, or of several nodes of one: each attempt to connect takes the next address.
 * @throws TypeError for wrong addresses, and where there is no WebSocket
 */
export function createClient<C extends Contract = Contract>(
  url: string | readonly string[],
  options: ClientOptions = {},
): Client<C> {
  const clock = systemClock
  const breath = threadBreath()
  const report = reporter(options.onError)
  const guarded = guard(report)
  const connection = openConnection(url, options.websocket, sdkOptions(options))
  const { sdk } = connection
  let id: string | undefined

  const call = async <T>(method: string, data: unknown): Promise<T> => {
    try {
      return (await sdk.rpc(method, data)).data as T
    } catch (thrown) {
      throw clientError(thrown)
    }
  }
  const appender = new Appender<AppendCommand | CommandCall, Appended | Commanded>({
    clock,
    send: command => call('command' in command ? 'holdfast.command' : 'holdfast.append', command),
    connected: () => sdk.state === 'connected',
    onSilence: connection.probe,
    window: options.appendWindow ?? 1,
    maxInFlight: maxInFlightAppends,
    maxPending: options.maxPendingAppends ?? 10_000,
  })

  const cursors = new Cursors({ sdk, clock, report, probe: connection.probe, call })
  const listeners = new Listeners<ClientEvents>(guarded)
  const progress: Progress = new Progress({
    watched: () => listeners.has('state'),
    onChange: () => status.changed(),
  })
  let local = false
  const status: Status = new Status({
    sdk,
    behind: () => progress.behind,
    ask: () => call('holdfast.state', { watch: true }),
    clock,
    watched: () => listeners.has('state') || listeners.has('reachable'),
    onChange(now) {
      const before = local
      local = now.server?.realtime === 'local'
      if (before && now.server?.realtime === 'ready') listeners.tell('reachable', now.server)
      listeners.tell('state', now)
    },
  })
  const parts = {
    sdk,
    appender,
    clock,
    report,
    call,
    cursors,
    breath,
    progress,
    probe: connection.probe,
    feeds: new Feeds(sdk),
    trace: () => {
      let traceparent: unknown
      guarded(() => {
        traceparent = options.traceparent?.()
      })
      return typeof traceparent === 'string' ? { traceparent } : {}
    },
    places: new KeptPlaces({ positions: options.positions ?? 'session', clock, report }),
    onGap: (gap: Gap) => listeners.tell('gap', gap),
    local: () => local,
    onReachable(listener: () => void) {
      const off = listeners.on('reachable', listener)
      status.watch()
      return off
    },
  }

  const told = (state: ConnectionState, why: { code: number; reason: string }) =>
    guarded(() => options.onState?.(state, why))
  sdk.on('connecting', why => {
    id = undefined
    told('connecting', why)
  })
  sdk.on('connected', ({ client }) => {
    id = client
    appender.connected()
    cursors.connected()
    told('connected', { code: 0, reason: '' })
  })
  sdk.on('disconnected', why => {
    id = undefined
    appender.rejectAll(ended(why))
    cursors.end(ended(why))
    told('disconnected', why)
  })

  return {
    sdk,
    get state() {
      return sdk.state
    },
    get status() {
      return status.now
    },
    on(name, listener, { signal } = {}) {
      const off = listeners.on(name, listener, signal)
      if (name !== 'gap') status.watch()
      return off
    },
    get url() {
      return connection.url
    },
    get id() {
      return id
    },
    get pendingAppends() {
      return appender.pending
    },
    connect({ signal } = {}) {
      if (signal?.aborted) return Promise.reject(signal.reason)
      sdk.connect()
      const ready = sdk.ready().catch(thrown => {
        throw clientError(thrown)
      })
      const waiting = abortable(ready, signal)
      waiting.catch(() => {})
      return waiting
    },
    disconnect() {
      sdk.disconnect()
      // Without a connection there is no event, and what waits for one would wait for ever.
      const why = ended({ code: 0, reason: 'disconnect called' })
      appender.rejectAll(why)
      cursors.end(why)
    },
    channel: name => openChannel(name, parts),
    async rpc(method, data = null, { signal } = {}) {
      signal?.throwIfAborted()
      return abortable(call(method, data), signal)
    },
  }
}

function ended(why: { code: number; reason: string }): HoldfastClientError {
  // The SDK's own code for `disconnect()` is 0.
  const code = why.code === 0 ? codes.disconnected : why.code
  return new HoldfastClientError(
    code,
    `the connection has ended (${why.reason}); what was under way may be recorded`,
  )
}

function sdkOptions(options: ClientOptions): Partial<Options> {
  return {
    name: 'holdfast',
    ...(options.token !== undefined && { token: options.token }),
    ...(options.getToken && { getToken: options.getToken }),
    ...(options.data !== undefined && { data: options.data }),
    ...(options.headers && { headers: { ...options.headers } }),
    ...(options.timeoutMs !== undefined && { timeout: options.timeoutMs }),
    ...(options.reconnectDelayMs && {
      minReconnectDelay: options.reconnectDelayMs.min,
      maxReconnectDelay: options.reconnectDelayMs.max,
    }),
  }
}
