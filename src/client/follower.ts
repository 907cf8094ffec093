/**
 * The deciding half of a subscription: which events are handed on, and when the past has to be read. Knows no
 * connection and no clock.
 *
 *   unplaced ──► live ◄──► catching_up       each subscribe reply says where the server is; a hole, a handler
 *       └──────► unnumbered                   that is far behind, or an unrecovered reply means: read the history
 */

export interface Place {
  readonly epoch: string
  readonly offset: number
}

/**
 * A gap that cannot be closed. `epoch_changed`: the numbering began anew, earlier offsets mean nothing.
 * `retention`: the events are no longer kept. `ahead`: our place is above the channel's head, so the server has
 * lost what it had. `history_refused`: we may not read the past that the server did not push.
 */
export type ResetReason = 'epoch_changed' | 'retention' | 'ahead' | 'history_refused'

export interface Reset {
  readonly reason: ResetReason
  /** The offsets that are missed for good, both included, where they are known. */
  readonly lost: { readonly from: number; readonly to: number } | undefined
  /** Events after this place follow. */
  readonly position: Place
}

/** What happened, in the order in which it has to be told. */
export type Item<E> =
  | { readonly kind: 'event'; readonly event: E; readonly epoch: string }
  | { readonly kind: 'reset'; readonly reset: Reset }

export interface SubscribeReply {
  readonly position: Place | undefined
  readonly recovered: boolean
}

export interface Page<E> {
  readonly events: readonly E[]
  readonly head: number
  readonly epoch: string
}

type Mode<E> =
  | { readonly kind: 'unplaced' }
  | { readonly kind: 'unnumbered' }
  | { readonly kind: 'live' }
  /** `need`: the highest offset heard of. `held`: live events that arrived meanwhile, in order. */
  | { readonly kind: 'catching_up'; need: number; readonly held: E[] }

/** Live events kept while pages are read; above it the newest are dropped and read with a later page. */
const maxHeld = 1_000

export class Follower<E extends { readonly offset?: number | undefined }> {
  readonly #since: Place | undefined
  readonly #afterReset: 'head' | 'start'
  /** Asked for the oldest event there still is: what retention has removed before it is not missed. */
  #fromOldest: boolean
  #place: Place | undefined
  #mode: Mode<E> = { kind: 'unplaced' }

  /** An empty epoch matches any; without `since` the first reply's position counts. */
  constructor(options: { since: Place | 'start' | undefined; afterReset: 'head' | 'start' }) {
    this.#fromOldest = options.since === 'start'
    this.#since = options.since === 'start' ? { offset: 0, epoch: '' } : options.since
    this.#afterReset = options.afterReset
  }

  /** Up to where events were handed on. */
  get place(): Place | undefined {
    return this.#place
  }

  get catchingUp(): boolean {
    return this.#mode.kind === 'catching_up'
  }

  /** Live: nothing is missing up to here. */
  get live(): boolean {
    return this.#mode.kind === 'live' || this.#mode.kind === 'unnumbered'
  }

  subscribed(reply: SubscribeReply): Item<E>[] {
    const { position } = reply
    if (!position) {
      this.#mode = { kind: 'unnumbered' }
      return []
    }
    const own = this.#place ?? this.#since
    if (!own) {
      this.#place = position
      this.#mode = { kind: 'live' }
      return []
    }
    if (own.epoch !== '' && own.epoch !== position.epoch)
      return this.#reset('epoch_changed', undefined, position)
    this.#place = { epoch: position.epoch, offset: own.offset }
    if (!reply.recovered && own.offset > position.offset) return this.#reset('ahead', undefined, position)
    const need =
      this.#mode.kind === 'catching_up' ? Math.max(this.#mode.need, position.offset) : position.offset
    if (own.offset >= need) this.#mode = { kind: 'live' }
    else this.#catchUp(need)
    return []
  }

  /** `room`: whether the handler keeps up. Where it does not, the event is left to a later page. */
  event(event: E, room: boolean): Item<E>[] {
    const { offset } = event
    if (offset === undefined || !this.#place || !this.#numbered())
      return [{ kind: 'event', event, epoch: '' }]
    if (offset <= this.#place.offset) return []
    if (this.#mode.kind !== 'catching_up') {
      if (offset === this.#place.offset + 1 && room) return [this.#take(event, offset)]
      this.#catchUp(offset)
    }
    this.#hold(event, offset)
    return []
  }

  /** A page of history that was asked for from `place`. */
  page(page: Page<E>): Item<E>[] {
    if (!this.#place || this.#mode.kind !== 'catching_up') return []
    const head = { epoch: page.epoch, offset: page.head }
    if (page.epoch !== this.#place.epoch) return this.#reset('epoch_changed', undefined, head)
    const items: Item<E>[] = []
    for (const event of page.events) this.#takeOver(event, items)
    if (page.events.length === 0 && page.head > this.#place.offset)
      this.#skipTo(page.head, 'retention', items)
    return this.#settle(items)
  }

  /** The history may not be read: what is missing stays missing. */
  historyRefused(): Item<E>[] {
    if (!this.#place || this.#mode.kind !== 'catching_up') return []
    const { held, need } = this.#mode
    const next = held.find(event => (event.offset ?? 0) > (this.#place?.offset ?? 0))?.offset
    const items: Item<E>[] = []
    const reached = next === undefined ? need : next - 1
    if (reached > this.#place.offset) this.#skipTo(reached, 'history_refused', items)
    return this.#settle(items)
  }

  #numbered(): boolean {
    return this.#mode.kind === 'live' || this.#mode.kind === 'catching_up'
  }

  #catchUp(need: number): void {
    if (this.#mode.kind === 'catching_up') this.#mode.need = Math.max(this.#mode.need, need)
    else this.#mode = { kind: 'catching_up', need, held: [] }
  }

  #hold(event: E, offset: number): void {
    if (this.#mode.kind !== 'catching_up') return
    this.#mode.need = Math.max(this.#mode.need, offset)
    if (this.#mode.held.length < maxHeld) this.#mode.held.push(event)
  }

  /** Hands the page's next event on; what lies between it and our place is gone. */
  #takeOver(event: E, items: Item<E>[]): void {
    const offset = event.offset ?? 0
    const own = this.#place?.offset ?? 0
    if (offset <= own) return
    if (offset > own + 1) this.#skipTo(offset - 1, 'retention', items)
    items.push(this.#take(event, offset))
  }

  /** Hands on what was held and follows without a hole, and goes live when nothing heard of is missing. */
  #settle(items: Item<E>[]): Item<E>[] {
    if (this.#mode.kind !== 'catching_up') return items
    const { held, need } = this.#mode
    let taken = 0
    for (const event of held) {
      const offset = event.offset ?? 0
      const own = this.#place?.offset ?? 0
      if (offset > own + 1) break
      if (offset === own + 1) items.push(this.#take(event, offset))
      taken++
    }
    held.splice(0, taken)
    if ((this.#place?.offset ?? 0) >= need) this.#mode = { kind: 'live' }
    return items
  }

  #take(event: E, offset: number): Item<E> {
    const epoch = this.#place?.epoch ?? ''
    this.#place = { epoch, offset }
    return { kind: 'event', event, epoch }
  }

  #skipTo(offset: number, reason: ResetReason, items: Item<E>[]): void {
    const own = this.#place?.offset ?? 0
    this.#place = { epoch: this.#place?.epoch ?? '', offset }
    if (this.#fromOldest && own === 0 && reason === 'retention') return
    const reset = { reason, lost: { from: own + 1, to: offset }, position: this.#place }
    items.push({ kind: 'reset', reset })
  }

  #reset(reason: ResetReason, lost: Reset['lost'], head: Place): Item<E>[] {
    this.#fromOldest = this.#afterReset === 'start'
    this.#place = this.#fromOldest ? { epoch: head.epoch, offset: 0 } : head
    this.#mode = { kind: 'live' }
    if (this.#place.offset < head.offset) this.#catchUp(head.offset)
    return [{ kind: 'reset', reset: { reason, lost, position: this.#place } }]
  }
}
