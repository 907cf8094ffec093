import type { Centrifuge } from 'centrifuge'
import { abortable } from './abortable.ts'
import type { Clock } from './clock.ts'
import { CursorAcks } from './cursor-acks.ts'
import { codes, HoldfastClientError } from './errors.ts'
import type { Place } from './follower.ts'
import type { Report } from './report.ts'

/** Where a cursor stands, by the server. */
export interface CursorPosition extends Place {
  /** The offset of the channel's last event. */
  readonly head: number
  /** How many events are still to come. */
  readonly lag: number
  /** When it moved last, in milliseconds since 1970; undefined where nothing was ever acknowledged. */
  readonly moved: number | undefined
}

/**
 * A user's own place in a durable channel, kept by the server under a name: on every device the same, and never moving
 * back. A device that is behind changes nothing by its acks.
 */
export interface Cursor {
  readonly name: string
  readonly channel: string
  /** Where the cursor stood by the server's last word; undefined before the first. */
  readonly acknowledged: Place | undefined
  /**
   * Everything up to here is done with, and does not come again. Sent about ten times a second at most, as one with the
   * highest offset, and repeated over temporary errors and lost connections until the server has it. What it refuses
   * goes to `onError`, and rejects `flush`.
   * @throws HoldfastClientError `codes.badRequest` for what is no place
   */
  ack(upTo: number | Place | { readonly position: Place | undefined }): void
  /**
   * Resolves when everything acknowledged so far is kept by the server, however long that takes. Await it before
   * `client.disconnect()`, which drops what is on its way. `signal` ends the waiting alone.
   * @throws HoldfastClientError where it was refused, or the connection has ended for good
   */
  flush(options?: { readonly signal?: AbortSignal }): Promise<void>
  /** Asks the server: tried once. @throws HoldfastClientError, `temporary` where trying again may help */
  position(options?: { readonly signal?: AbortSignal }): Promise<CursorPosition>
}

export interface CursorsParts {
  readonly sdk: Centrifuge
  readonly clock: Clock
  readonly report: Report
  readonly probe: () => void
  readonly call: <T>(method: string, data: unknown) => Promise<T>
}

/** A cursor as a subscription from it needs it. */
export interface OwnCursor extends Cursor {
  /** `position` with a channel token, for who is not subscribed yet. */
  read(token: string | undefined): Promise<CursorPosition>
  /** An ack that is tried once, at once. */
  put(place: Place, token: string | undefined): Promise<Place>
  /** Whether this place is acknowledged, be it on its way or at the server. */
  covers(place: Place): boolean
}

/** Cursors that have nothing on its way and are remembered all the same. */
const maxIdle = 1_000

/** The cursors of one client: one for each channel and name, whoever asks for it. */
export class Cursors {
  readonly #parts: CursorsParts
  readonly #acks = new Map<string, CursorAcks>()

  constructor(parts: CursorsParts) {
    this.#parts = parts
  }

  open(channel: string, name: string): OwnCursor {
    const { call } = this.#parts
    // Looked for each time: an idle one may have been forgotten, and there must not be two of one cursor.
    const acks = () => this.#acksOf(channel, name)
    return {
      name,
      channel,
      get acknowledged() {
        return acks().confirmed
      },
      ack: upTo => acks().ack(placeOf(upTo)),
      flush: ({ signal } = {}) => abortable(acks().flush(), signal),
      position: ({ signal } = {}) => abortable(call('holdfast.cursor', { channel, cursor: name }), signal),
      read: token => call('holdfast.cursor', { channel, cursor: name, token }),
      put: (place, token) => call('holdfast.ack', { channel, cursor: name, ...place, token }),
      covers: place => acks().covers(place),
    }
  }

  connected(): void {
    for (const acks of this.#acks.values()) acks.connected()
  }

  end(error: HoldfastClientError): void {
    for (const acks of this.#acks.values()) acks.end(error)
  }

  #acksOf(channel: string, cursor: string): CursorAcks {
    const key = `${channel} ${cursor}`
    const found = this.#acks.get(key)
    if (found) return found
    const { sdk, clock, report, probe, call } = this.#parts
    const made = new CursorAcks({
      clock,
      send: ({ offset, epoch }) =>
        call<Place>('holdfast.ack', { channel, cursor, offset, ...(epoch !== '' && { epoch }) }),
      link: () => {
        if (sdk.state !== 'connected') return 'down'
        return sdk.getSubscription(channel)?.state === 'subscribing' ? 'coming' : 'up'
      },
      onSilence: probe,
      onRefused: error => report(error, { kind: 'cursor', channel, cursor }),
    })
    if (this.#acks.size >= maxIdle) this.#forgetIdle()
    this.#acks.set(key, made)
    return made
  }

  /** The older half of them, so that it is not looked for one for each new one. */
  #forgetIdle(): void {
    let left = maxIdle / 2
    for (const [key, acks] of this.#acks) {
      if (left === 0) return
      if (!acks.idle) continue
      this.#acks.delete(key)
      left--
    }
  }
}

function placeOf(upTo: Parameters<Cursor['ack']>[0]): Place {
  const place =
    typeof upTo === 'number' ? { offset: upTo, epoch: '' } : 'position' in upTo ? upTo.position : upTo
  if (place && Number.isSafeInteger(place.offset) && place.offset >= 0) return place
  throw new HoldfastClientError(
    codes.badRequest,
    `expected an offset, a place or a recorded event to acknowledge, got ${place ? place.offset : 'an event without a number'}`,
  )
}
