import type { Reset } from './follower.ts'

/**
 * Numbers of errors. Those from 100 come from the server (100–113 as in the Centrifuge protocol), those below from
 * the SDK (1–11) and from this client (50–). The ones an application is likely to look for:
 */
export const codes = {
  /** No reply in time: the outcome is unknown. Appends are repeated by the client. */
  timeout: 1,
  /** `disconnect()` was called, or the server ended the connection for good. An append's outcome may be unknown. */
  disconnected: 3,
  connectionClosed: 11,
  /** Too many appends are waiting: this one was not accepted. */
  overloaded: 50,
  /** The data cannot be written as JSON. */
  notSerialisable: 51,
  /** A handler threw, and the channel was to stop there (`onPoison: 'stop-channel'`). */
  poisoned: 52,
  internal: 100,
  unauthorized: 101,
  unknownChannel: 102,
  permissionDenied: 103,
  alreadySubscribed: 105,
  /** For instance more cursors than a user may have. */
  limitExceeded: 106,
  badRequest: 107,
  notAvailable: 108,
  tokenExpired: 109,
  /**
   * More than this connection, the user or the channel may have; nothing was done. Appends and acks are repeated after a
   * growing pause, and the SDK subscribes again by itself. A `publish` or `signal` is rejected with it, because late it may
   * be worth nothing: repeat it or forget it. Who goes on far beyond is disconnected (3013) and connects again after a
   * growing pause; one connection too many of a user is disconnected for good (3504).
   */
  tooManyRequests: 111,
  unrecoverablePosition: 112,
  /** `expectedOffset` is not the channel's head. */
  offsetConflict: 409,
  /** The id is taken by an event with another type or other data. */
  duplicateConflict: 422,
  /** An operator has made the namespace read-only. Appends are repeated until it takes them again. */
  readOnly: 423,
} as const

/** What went wrong, as the server or the connection said it. */
export class HoldfastClientError extends Error {
  /** See `codes`. */
  readonly code: number
  /** Whether the same call may succeed later. An append is never rejected with a temporary error. */
  readonly temporary: boolean
  /** With `codes.offsetConflict`: the channel's head at that moment, where the server told it. */
  readonly head: number | undefined
  /** From a replay: the gap that cannot be closed. Events after `reset.position` are the first ones there are. */
  readonly reset: Reset | undefined

  /**
   * Where it is written what to do about it: a page of the npm package `holdfast` and of its repository, and on it the
   * place of the code, which is there for every code but an application's own.
   */
  get docs(): string {
    return `docs/ERRORS.md#${this.code}`
  }

  constructor(
    code: number,
    message: string,
    options: { temporary?: boolean; head?: number | undefined; reset?: Reset; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'HoldfastClientError'
    this.code = code
    this.temporary = options.temporary ?? false
    this.head = options.head
    this.reset = options.reset
  }
}

/**
 * What worked once and may work again: the server says so, or it is about the connection. Code 3 is not among
 * them: the application, or the server for good, has ended the connection.
 */
const passing: ReadonlySet<number> = new Set([1, 2, 10, 11, 100, 109, 111])

/** The SDK rejects with plain objects `{code, message, temporary}`; anything else is a fault of its own. */
export function clientError(thrown: unknown): HoldfastClientError {
  if (thrown instanceof HoldfastClientError) return thrown
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown && typeof thrown.code === 'number') {
    const { code, message, temporary } = thrown as { code: number; message?: string; temporary?: boolean }
    return new HoldfastClientError(code, message ?? `error ${code}`, {
      temporary: temporary === true || passing.has(code),
      head: headIn(code, message),
    })
  }
  return new HoldfastClientError(codes.internal, thrown instanceof Error ? thrown.message : String(thrown))
}

/** The wire's errors are a number and a text, so the head is part of the text: `… the head is 12`. */
function headIn(code: number, message: string | undefined): number | undefined {
  if (code !== codes.offsetConflict) return undefined
  const found = /\bhead is (\d+)/.exec(message ?? '')
  return found ? Number(found[1]) : undefined
}
