import type { Clock } from './clock.ts'
import { clientError, codes, type HoldfastClientError } from './errors.ts'
import type { Place } from './follower.ts'
import { afterFailure, type Phase, sent } from './lane.ts'

export interface CursorAcksOptions {
  readonly clock: Clock
  /** One attempt: resolves with where the cursor then stands. Rejects with what the SDK rejects with. */
  readonly send: (place: Place) => Promise<Place>
  /** `coming`: the connection is there, and the channel is being subscribed to. */
  readonly link: () => 'up' | 'coming' | 'down'
  /** An attempt had no reply in time although there is a connection. */
  readonly onSilence: () => void
  /** The server does not take an ack, and nobody waits for it. */
  readonly onRefused: (error: HoldfastClientError) => void
}

interface Waiter {
  readonly place: Place
  resolve(): void
  reject(error: unknown): void
}

/** From one ack to the next, at least: what comes meanwhile goes as one, with the highest offset. */
const paceMs = 100

/**
 * The acks of one cursor on their way to the server: one under way at a time, repeated until the server has it. A place
 * without an epoch belongs to the present one.
 */
export class CursorAcks {
  readonly #options: CursorAcksOptions
  /** What the server does not have yet. */
  #wanted: Place | undefined
  #confirmed: Place | undefined
  #phase: Phase = { kind: 'waiting' }
  #sentAt = Number.NEGATIVE_INFINITY
  /** Of the attempt under way: a reply to an earlier one means nothing any more. */
  #attempt = 0
  #waiters: Waiter[] = []
  #cancelWake: (() => void) | undefined

  constructor(options: CursorAcksOptions) {
    this.#options = options
  }

  /** Where the cursor stood by the server's last word on this connection. */
  get confirmed(): Place | undefined {
    return this.#confirmed
  }

  /** Nothing is on its way: what is forgotten with it is the server's last word alone. */
  get idle(): boolean {
    return !this.#wanted && this.#phase.kind === 'waiting'
  }

  ack(place: Place): void {
    if (this.covers(place)) return
    const epoch = place.epoch || this.#wanted?.epoch || ''
    this.#wanted = { offset: place.offset, epoch }
    this.#look()
  }

  /** Whether this place, or one behind it in the same epoch, is acknowledged, be it on its way or at the server. */
  covers(place: Place): boolean {
    return reaches(this.#confirmed, place) || reaches(this.#wanted, place)
  }

  /**
   * Resolves when everything acknowledged so far is at the server.
   * @throws HoldfastClientError where it was refused, or the connection has ended for good
   */
  flush(): Promise<void> {
    const place = this.#wanted
    if (!place) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#waiters.push({ place, resolve, reject })
      this.#look()
    })
  }

  /** The connection is there (again). */
  connected(): void {
    // The server's word holds for the connection it came on: the numbering may have begun anew meanwhile.
    this.#confirmed = undefined
    this.#look()
  }

  /** The connection has ended for good. The next one may be another user's, so what was not sent is dropped. */
  end(error: HoldfastClientError): void {
    this.#attempt++
    this.#cancelWake?.()
    this.#phase = { kind: 'waiting' }
    this.#wanted = undefined
    this.#confirmed = undefined
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error)
  }

  #look(): void {
    this.#cancelWake?.()
    const { clock, link } = this.#options
    if (!this.#wanted || this.#phase.kind === 'in_flight' || link() === 'down') return
    const now = clock.now()
    const due = this.#due(now)
    if (due > now) this.#cancelWake = clock.after(due - now, () => this.#look())
    else this.#send(this.#wanted)
  }

  #due(now: number): number {
    if (this.#phase.kind === 'backing_off') return this.#phase.until
    // What permits the ack may be the very subscription that is on its way.
    if (this.#options.link() === 'coming') return now + paceMs
    return this.#waiters.length > 0 ? now : this.#sentAt + paceMs
  }

  #send(place: Place): void {
    this.#phase = sent(this.#phase)
    this.#sentAt = this.#options.clock.now()
    const attempt = ++this.#attempt
    this.#options.send(place).then(
      confirmed => attempt === this.#attempt && this.#taken(place, confirmed),
      thrown => attempt === this.#attempt && this.#failed(place, clientError(thrown)),
    )
  }

  #taken(place: Place, confirmed: Place): void {
    this.#phase = { kind: 'waiting' }
    this.#confirmed = confirmed
    this.#settle(place, waiter => waiter.resolve())
    this.#look()
  }

  #failed(place: Place, error: HoldfastClientError): void {
    const { clock, link, onSilence, onRefused } = this.#options
    if (error.code === codes.timeout && link() !== 'down') onSilence()
    const attempt = this.#phase.kind === 'in_flight' ? this.#phase.attempt : 1
    const verdict = afterFailure(error, attempt, { now: clock.now(), random: clock.random() })
    if (verdict.kind === 'repeat') this.#phase = verdict.phase
    else {
      this.#phase = { kind: 'waiting' }
      if (this.#settle(place, waiter => waiter.reject(error)) === 0) onRefused(error)
    }
    this.#look()
  }

  /** Ends what an attempt was about. Returns how many waited for it. */
  #settle(place: Place, end: (waiter: Waiter) => void): number {
    if (this.#wanted && reaches(place, this.#wanted)) this.#wanted = undefined
    const ended = this.#waiters.filter(waiter => reaches(place, waiter.place))
    this.#waiters = this.#waiters.filter(waiter => !ended.includes(waiter))
    for (const waiter of ended) end(waiter)
    return ended.length
  }
}

/** Whether one place lies at another or behind it; in different epochs none does. */
function reaches(place: Place | undefined, other: Place): boolean {
  if (!place || place.offset < other.offset) return false
  return place.epoch === '' || other.epoch === '' || place.epoch === other.epoch
}
