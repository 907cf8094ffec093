import type { AppendCommand, Appended, Appender, CommandCall, Commanded } from './appender.ts'
import type { Contract, EventDataOf, EventTypeOf, PublishDataOf } from './contract.ts'
import type { Cursor } from './cursor.ts'
import { type CursorSubscribeParts, subscribeFromCursor } from './cursor-subscription.ts'
import { clientError, codes, HoldfastClientError } from './errors.ts'
import { newEventId } from './event-id.ts'
import type { Place } from './follower.ts'
import { type HistoryPage, readHistory } from './received.ts'
import { type ReplayOptions, type ReplayParts, replay } from './replay.ts'
import { subscribe } from './subscription.ts'
import type { ClientInfo, Received, ReceivedOf, SubscribeOptions, Subscription } from './types.ts'

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

export interface SignalOptions {
  /** One connection, or all connections of one user; without it everyone in the channel. */
  readonly to?: { readonly client: string } | { readonly user: string }
  /** Whether the sender gets it too. */
  readonly echo?: boolean
}

export interface HistoryRequest {
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
  publish(data: PublishDataOf<C, Name>): Promise<void>
  /** Publishes to one client, one user, or everyone but the sender: tried once, and may be lost. */
  signal(data: PublishDataOf<C, Name>, options?: SignalOptions): Promise<void>
  /**
   * Subscribes; a function is short for `{ onEvent }`. One subscription a channel.
   * @throws HoldfastClientError `codes.alreadySubscribed`, `codes.badRequest` for both `since` and `cursor`
   */
  subscribe(
    options: SubscribeOptions<ReceivedOf<C, Name>> | ((event: ReceivedOf<C, Name>) => unknown),
  ): Subscription
  /** The user's own place in this channel, kept by the server. */
  cursor(name: string): Cursor
  /** Who is subscribed, by the id of the connection. */
  presence(): Promise<Readonly<Record<string, ClientInfo>>>
  history(request?: HistoryRequest): Promise<HistoryPage<ReceivedOf<C, Name>>>
  /**
   * The channel's events in order and once each, for `for await`: read page by page as the loop takes them, one page
   * ahead at most, and read again over temporary errors and lost connections. Ends at the head as it was when the
   * replay began, or with `live` when the loop is left. Needs the permission `history`; with `live` and without
   * it, what the server pushes.
   * @throws HoldfastClientError `codes.badRequest` at once; from the loop `codes.unrecoverablePosition` with `reset` for
   *   a gap that cannot be closed, `codes.permissionDenied`, `codes.alreadySubscribed` (only `live`),
   *   `codes.disconnected`, and whatever else does not pass
   */
  replay(options?: ReplayOptions): AsyncGenerator<ReceivedOf<C, Name>, void, undefined>
}

export interface ChannelParts extends ReplayParts, CursorSubscribeParts {
  readonly appender: Appender<AppendCommand | CommandCall, Appended | Commanded>
  readonly call: <T>(method: string, data: unknown) => Promise<T>
}

export function openChannel<C extends Contract, Name extends string>(
  name: Name,
  parts: ChannelParts,
): Channel<C, Name> {
  const { sdk, appender, call, cursors } = parts
  return {
    name,
    async append(type, data, { id, expectedOffset, signal } = {}) {
      const command = {
        channel: name,
        type,
        data: copied(data),
        id: id ?? newEventId(),
        ...(expectedOffset !== undefined && { expectedOffset }),
      }
      return appender.append(command, signal) as Promise<Appended>
    },
    async command(command, input, { id, signal } = {}) {
      const given = input !== undefined && { input: copied(input) }
      const call = { channel: name, command, ...given, id: id ?? newEventId() }
      return appender.append(call, signal) as Promise<Commanded>
    },
    async publish(data) {
      const copy = copied(data)
      await rejecting(sdk.publish(name, copy))
    },
    async signal(data, { to, echo } = {}) {
      await call('holdfast.signal', {
        channel: name,
        data: copied(data),
        ...(to && { to }),
        ...(echo && { echo }),
      })
    },
    subscribe(options) {
      const given = typeof options === 'function' ? { onEvent: options } : options
      // What arrives is what the contract says: the server refuses everything else.
      const wish = given as SubscribeOptions<Received>
      return wish.cursor === undefined
        ? subscribe(sdk, name, wish, parts)
        : subscribeFromCursor(name, wish.cursor, wish, parts)
    },
    cursor: cursor => cursors.open(name, cursor),
    async presence() {
      const { clients } = await rejecting(sdk.presence(name))
      return clients
    },
    async history({ since, limit = 100, reverse } = {}) {
      const page = await rejecting(
        readHistory(sdk, name, { limit, ...sinceOf(since, reverse === true), ...(reverse && { reverse }) }),
      )
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
