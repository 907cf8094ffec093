import { abortable } from './abortable.ts'
import type { AppendCommand, Appended, Appender, CommandCall, Commanded } from './appender.ts'
import type { Contract, EventDataOf, EventTypeOf, PublishDataOf } from './contract.ts'
import type { Cursor } from './cursor.ts'
import { type CursorSubscribeParts, subscribeFromCursor } from './cursor-subscription.ts'
import { clientError, codes, HoldfastClientError } from './errors.ts'
import { newEventId } from './event-id.ts'
import type { Place } from './follower.ts'
import { type KeptSubscribeParts, subscribeFromKept } from './kept-subscription.ts'
import type { Presence } from './presence.ts'
import { type PresenceParts, presenceOf } from './presence-watch.ts'
import { type HistoryPage, readHistory } from './received.ts'
import { type ReplayOptions, type ReplayParts, replay } from './replay.ts'
import { subscribe } from './subscription.ts'
import type { Acknowledgeable, Received, ReceivedOf, SubscribeOptions, Subscription } from './types.ts'

export interface AppendOptions {
  /** A UUID that makes the append recognisable for ever; made here (version 7) where none is given. */
  readonly id?: string
  /** Append only if the channel's head is exactly this offset (0: it is empty); else `codes.offsetConflict`. */
  readonly expectedOffset?: number
  /** Ends the waiting and rejects with its reason. Whether the event was recorded is then unknown if it was sent. */
  readonly signal?: AbortSignal
}

export interface CommandOptions {
  /** A UUID that makes the command recognisable for ever; made here (version 7) where none is given. */
  readonly id?: string
  /** Ends the waiting and rejects with its reason. Whether it was carried out is then unknown if it was sent. */
  readonly signal?: AbortSignal
}

export interface Abortable {
  /** Ends the waiting and rejects with its reason. Whether the server has done it is then unknown if it was sent. */
  readonly signal?: AbortSignal
}

export interface SignalOptions extends Abortable {
  /** One connection, or all connections of one user; without it everyone in the channel. */
  readonly to?: { readonly client: string } | { readonly user: string }
  /** Whether the sender gets it too. */
  readonly echo?: boolean
}

/** As of `subscribe`; the handler is an argument of its own. */
export type ListenOptions = Omit<SubscribeOptions<never>, 'onEvent'>

/** Then the events can be acknowledged. */
interface FollowsCursor {
  readonly cursor: string
}

export interface HistoryRequest extends Abortable {
  /** Events after this place; `start` (the default) is before the oldest one. */
  readonly since?: number | Place | 'start'
  /** Default 100. The server may give fewer; 0 asks where the channel stands. */
  readonly limit?: number
  /** The newest first. */
  readonly reverse?: boolean
}

export interface Channel<C extends Contract, Name extends string> {
  readonly name: Name
  /**
   * Records an event. Resolves when it is recorded, however long that takes: it is repeated with the same id over
   * temporary errors, lost connections and other nodes. The appends that one client issues to one channel are
   * recorded in the order in which they were issued (see `appendWindow`); a refused one does not stop those
   * behind it. `data` is taken as it is now: changing it later changes nothing.
   * @throws HoldfastClientError where repeating cannot help
   */
  append<Type extends EventTypeOf<C, Name>>(
    type: Type,
    data: EventDataOf<C, Name, Type>,
    options?: AppendOptions,
  ): Promise<Appended>
  /**
   * Sends a command to the aggregate that the channel is. Resolves when what the server has decided is recorded, however
   * long that takes: it is repeated with the same id as an append is, in one order with the appends of this channel, and
   * has its effect once. `input` is taken as it is now.
   * @throws HoldfastClientError what the application refuses with; `codes.permissionDenied`, `codes.badRequest` (input),
   *   `codes.offsetConflict` (others were faster again and again)
   */
  command(name: string, input?: unknown, options?: CommandOptions): Promise<Commanded>
  /** Publishes: tried once. @throws HoldfastClientError, `temporary` where trying again may help */
  publish(data: PublishDataOf<C, Name>, options?: Abortable): Promise<void>
  /**
   * Publishes to one client, one user, or everyone but the sender: tried once, and may be lost. It arrives as an event
   * does, for `on(type, …)`.
   * @throws HoldfastClientError `codes.badRequest` without a type, and others, `temporary` where trying again may help
   */
  signal<Type extends EventTypeOf<C, Name>>(
    type: Type,
    data: EventDataOf<C, Name, Type>,
    options?: SignalOptions,
  ): Promise<void>
  /**
   * Calls the handler with events of one type, of several, or (`*`) all. Each `on` is a reader of its own, at its own pace:
   * give one handler several types where their order matters. Its place passes over what it does not want.
   * @throws HoldfastClientError as `subscribe`
   */
  on(
    type: '*',
    handler: (event: ReceivedOf<C, Name> & Acknowledgeable) => unknown,
    options: ListenOptions & FollowsCursor,
  ): Subscription
  on<Type extends EventTypeOf<C, Name>>(
    type: Type | readonly Type[],
    handler: (event: Received<Type, EventDataOf<C, Name, Type>> & Acknowledgeable) => unknown,
    options: ListenOptions & FollowsCursor,
  ): Subscription
  on(type: '*', handler: (event: ReceivedOf<C, Name>) => unknown, options?: ListenOptions): Subscription
  on<Type extends EventTypeOf<C, Name>>(
    type: Type | readonly Type[],
    handler: (event: Received<Type, EventDataOf<C, Name, Type>>) => unknown,
    options?: ListenOptions,
  ): Subscription
  /**
   * Subscribes; a function is short for `{ onEvent }`. Several subscriptions to a channel are one to the server; each has
   * its own place and pace. One that comes later with a `since` reads what it wants from the history, which needs that
   * permission.
   * @throws HoldfastClientError `codes.badRequest` for two of `since`, `cursor` and `keep`; `codes.alreadySubscribed` where
   *   the application has subscribed with `client.sdk`
   */
  subscribe(options: SubscribeOptions<ReceivedOf<C, Name> & Acknowledgeable> & FollowsCursor): Subscription
  subscribe(
    options: SubscribeOptions<ReceivedOf<C, Name>> | ((event: ReceivedOf<C, Name>) => unknown),
  ): Subscription
  /** The user's own place in this channel, kept by the server. */
  cursor(name: string): Cursor
  /** Who is there: `await channel.presence()` asks once, `channel.presence.watch(…)` keeps a list up to date. */
  readonly presence: Presence
  history(request?: HistoryRequest): Promise<HistoryPage<ReceivedOf<C, Name>>>
  /**
   * The channel's events in order and once each, for `for await`: read page by page as the loop takes them, one page
   * ahead at most, and read again over temporary errors and lost connections. Ends at the head as it was when the
   * replay began, or with `live` when the loop is left. Needs the permission `history`; with `live` and without
   * it, what the server pushes.
   * @throws HoldfastClientError `codes.badRequest` at once; from the loop `codes.unrecoverablePosition` with `reset` for
   *   a gap that cannot be closed, `codes.permissionDenied`, `codes.disconnected`, and whatever else does not pass
   */
  replay(options?: ReplayOptions): AsyncGenerator<ReceivedOf<C, Name>, void, undefined>
}

export type ChannelParts = ReplayParts &
  CursorSubscribeParts &
  KeptSubscribeParts &
  PresenceParts & {
    readonly appender: Appender<AppendCommand | CommandCall, Appended | Commanded>
    readonly call: <T>(method: string, data: unknown) => Promise<T>
    /** Where the application's own trace stands now, as a field of what is sent. */
    readonly trace: () => { readonly traceparent?: string }
  }

export function openChannel<C extends Contract, Name extends string>(
  name: Name,
  parts: ChannelParts,
): Channel<C, Name> {
  const { sdk, appender, call, cursors, trace } = parts
  const open = (options: SubscribeOptions<Received>): Subscription => {
    if (options.keep !== undefined) return subscribeFromKept(name, options.keep, options, parts)
    if (options.cursor !== undefined) return subscribeFromCursor(name, options.cursor, options, parts)
    return subscribe(name, options, parts)
  }
  return {
    name,
    async append(type, data, { id, expectedOffset, signal } = {}) {
      const command = {
        channel: name,
        type,
        data: copied(data),
        id: id ?? newEventId(),
        ...(expectedOffset !== undefined && { expectedOffset }),
        ...trace(),
      }
      return appender.append(command, signal) as Promise<Appended>
    },
    async command(command, input, { id, signal } = {}) {
      const given = input !== undefined && { input: copied(input) }
      const call = { channel: name, command, ...given, id: id ?? newEventId(), ...trace() }
      return appender.append(call, signal) as Promise<Commanded>
    },
    async publish(data, { signal } = {}) {
      const copy = copied(data)
      signal?.throwIfAborted()
      await abortable(rejecting(sdk.publish(name, copy)), signal)
    },
    async signal(type, data, { to, echo, signal } = {}) {
      // Without the types of TypeScript somebody may leave the type out, and what follows would go to everyone.
      if (typeof type !== 'string' || type === '') {
        throw new HoldfastClientError(
          codes.badRequest,
          'expected signal(type, data, { to }): a type is missing',
        )
      }
      const copy = copied(data)
      signal?.throwIfAborted()
      const sent = call('holdfast.signal', {
        channel: name,
        type,
        data: copy,
        ...(to && { to }),
        ...(echo && { echo }),
        ...trace(),
      })
      await abortable(sent, signal)
    },
    on(types: string | readonly string[], handler: (event: never) => unknown, options: ListenOptions = {}) {
      const wanted = types === '*' ? undefined : new Set(typeof types === 'string' ? [types] : types)
      const onEvent = (event: Received) =>
        !wanted || wanted.has(event.type) ? handler(event as never) : undefined
      return open({ ...options, onEvent })
    },
    subscribe(options: SubscribeOptions<never> | ((event: never) => unknown)) {
      const given = typeof options === 'function' ? { onEvent: options } : options
      // What arrives is what the contract says: the server refuses everything else.
      return open(given as SubscribeOptions<Received>)
    },
    cursor: cursor => cursors.open(name, cursor),
    presence: presenceOf(name, parts),
    async history({ since, limit = 100, reverse, signal } = {}) {
      signal?.throwIfAborted()
      const wish = { limit, ...sinceOf(since, reverse === true), ...(reverse && { reverse }) }
      const page = await abortable(rejecting(readHistory(sdk, name, wish)), signal)
      return page as HistoryPage<ReceivedOf<C, Name>>
    },
    replay(options = {}) {
      return replay(name, options, parts) as AsyncGenerator<ReceivedOf<C, Name>, void, undefined>
    },
  }
}

/** In reverse, no place means: from the head. */
function sinceOf(since: HistoryRequest['since'], reverse: boolean): { since?: Place } {
  if (since === undefined && reverse) return {}
  if (since === undefined || since === 'start') return { since: { offset: 0, epoch: '' } }
  return { since: typeof since === 'number' ? { offset: since, epoch: '' } : since }
}

/** As it will be on the wire: a repeat must carry the same data, whatever has become of the original. */
function copied(data: unknown): unknown {
  let text: string | undefined
  try {
    text = JSON.stringify(data)
  } catch (error) {
    throw new HoldfastClientError(
      codes.notSerialisable,
      `the data cannot be written as JSON: ${String(error)}`,
    )
  }
  if (text === undefined) {
    throw new HoldfastClientError(
      codes.notSerialisable,
      `expected data that JSON can hold, got ${typeof data}`,
    )
  }
  return JSON.parse(text)
}

async function rejecting<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise
  } catch (thrown) {
    throw clientError(thrown)
  }
}
