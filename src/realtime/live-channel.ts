import { HoldfastError, type Position } from '../domain/index.ts'
import { FanOut, Lane, type Outlet } from '../hub/index.ts'
import { unsubscribes } from '../protocol/index.ts'
import type { BusMessage, Whom } from './envelope.ts'
import { pushMissed, RecentLines } from './recent-lines.ts'
import type { NumberedLine } from './recovery.ts'

/** How a session joins: without a place, from a place, or without one although it wanted one (Redis is away). */
export type Joining =
  | { readonly kind: 'plain' | 'owed' }
  | { readonly kind: 'placed'; readonly from: Position }

/**
 * One channel with subscribers on this node.
 *
 * In a channel with history this node has a *place*: the last numbered line that it took, from the bus or, where that
 * is slower or deaf, from an answer or a read of the history. A session with a place joins only where its own place is the node's, so from then on one check per line serves them all:
 * a line that is not the next one ends these subscriptions with 2500, and the SDKs come back and recover. So a
 * session sees every offset once and in order, or is told.
 */
export class LiveChannel {
  readonly name: string
  /** How long the channel's history is kept; 0 for a channel without one. */
  readonly historyTtlSeconds: number
  readonly #fan = new FanOut(Lane.realtime)
  readonly #joining = new Map<string, Outlet>()
  readonly #placed = new Set<string>()
  readonly #owed = new Set<string>()
  readonly #onIdle: (channel: LiveChannel) => void
  #place: Position | undefined
  /** The last offset that the bus has brought, where `place` was moved by an answer or a read since. */
  #broughtTo = 0
  /** The place that was given up last, up to which lines have been shown here. */
  #lost: Position | undefined
  /** The place began between these offsets without the bus, which may still bring what lies there. */
  #begun = { after: 0, at: 0 }
  #unnumbered = 0
  #movedAt = 0
  readonly #recent = new RecentLines()

  constructor(name: string, historyTtlSeconds: number, onIdle: (channel: LiveChannel) => void) {
    this.name = name
    this.historyTtlSeconds = historyTtlSeconds
    this.#onIdle = onIdle
  }

  get size(): number {
    return this.#fan.size
  }

  /** The last numbered line taken; a new object each time. */
  get place(): Position | undefined {
    return this.#place
  }

  /** When `place` last moved, by `performance.now()`. */
  get movedAt(): number {
    return this.#movedAt
  }

  /** Counts what was published here without a number although the channel keeps a history. */
  get unnumbered(): number {
    return this.#unnumbered
  }

  /** Whether sessions here rely on `place`, or wait for one. */
  get watched(): boolean {
    return this.#placed.size > 0 || this.#owed.size > 0
  }

  /** Whether sessions are on their way in, which have read the history and are not live yet. */
  get joining(): boolean {
    return this.#joining.size > 0
  }

  has(client: string): boolean {
    return this.#fan.has(client) || this.#joining.has(client)
  }

  /** Announces a session that will join; until then numbered lines are remembered for it. */
  expect(outlet: Outlet): void {
    if (this.has(outlet.client)) {
      throw new HoldfastError('ALREADY_SUBSCRIBED', `already subscribed to ${this.name}`)
    }
    this.#joining.set(outlet.client, outlet)
  }

  /** Makes an expected session live. Does nothing where it has been removed or has ended meanwhile. */
  join(outlet: Outlet, joining: Joining): void {
    if (this.#joining.get(outlet.client) !== outlet) return
    const lines = joining.kind === 'placed' ? this.#linesFrom(joining.from) : []
    this.#joining.delete(outlet.client)
    if (this.#joining.size === 0) this.#recent.clear()
    if (lines && !outlet.closed) {
      if (lines.length > 0) pushMissed(outlet, lines)
      this.#fan.add(outlet)
      if (joining.kind === 'placed') this.#placed.add(outlet.client)
      if (joining.kind === 'owed') this.#owed.add(outlet.client)
    } else if (!lines) {
      this.#end(outlet)
    }
    this.#lookIdle()
  }

  remove(client: string): void {
    if (this.#joining.delete(client) && this.#joining.size === 0) this.#recent.clear()
    this.#placed.delete(client)
    this.#owed.delete(client)
    this.#fan.remove(client)
    this.#lookIdle()
  }

  /** Lets go of sessions that ended before they joined. */
  sweep(): void {
    for (const [client, outlet] of this.#joining) if (outlet.closed) this.remove(client)
  }

  /** A line of this node for all subscribers, or all but one. */
  publish(line: string, exclude?: string): void {
    this.clock(0)
    this.#fan.publish(line, 1, exclude)
  }

  /**
   * What comes next has been under way for `before` seconds (NaN: nobody knows). Whether it is one of the messages that
   * are timed. Whoever is not certain that somebody gets it calls `unclock` behind it.
   */
  clock(before: number): boolean {
    const due = this.#fan.due()
    if (due) this.#fan.begin(before)
    return due
  }

  /** Nothing is timed that comes next. */
  unclock(): void {
    this.#fan.begin(undefined)
  }

  /** A line that is in no history. */
  publishUnnumbered(line: string): void {
    this.#unnumbered++
    this.publish(line)
  }

  /** A line for some subscribers; whether the client, where it is for one, is on this node. */
  publishTo(whom: Whom, line: string | Buffer, count = 1): boolean {
    if (whom.client !== undefined) return this.#fan.publishToClient(line, whom.client)
    if (whom.user === undefined) this.#fan.publish(line, count, whom.exclude)
    else this.#fan.publishTo(line, outlet => outlet.user === whom.user && outlet.client !== whom.exclude)
    return false
  }

  /** Takes a message of another node, or a numbered one of any; `known`: its subscribers have got it without a number. */
  receive(message: BusMessage, known = false): void {
    if (message.kind === 'all' && !known) this.#fan.publish(message.lines, message.count)
    else if (message.kind === 'some') this.publishTo(message.whom, message.lines, message.count)
    else if (message.kind === 'numbered') this.#receiveNumbered(message.place, message.line, known)
    else if (message.kind === 'skipped') this.#skip(message.place)
  }

  /**
   * Takes a numbered line otherwise than from the bus, which may be late or deaf, if it is the next one. False where
   * lines before it are missing, or where that is not known for want of a place.
   */
  takeNext(place: Position, line: string): boolean {
    const last = this.#place
    if (!last) return this.#fan.size === 0 || this.#wasTaken(place)
    if (last.epoch === place.epoch && place.offset <= last.offset) return true
    if (last.epoch !== place.epoch) {
      this.losePlaces()
      this.#broughtTo = 0
    } else if (place.offset !== last.offset + 1) return false
    this.#take(place, line)
    return true
  }

  /** Takes a line as the first one after a time without a place, because the bus has not brought any. */
  begin(place: Position, line: string): void {
    if (this.takeNext(place, line)) return
    if (this.#place) this.losePlaces()
    const sameLife = this.#lost?.epoch === place.epoch
    if (!sameLife) this.#broughtTo = 0
    this.#begun = { after: sameLife ? (this.#lost?.offset ?? 0) : 0, at: place.offset }
    this.#take(place, line)
  }

  /** Something between the place and the head can't be had any more, or the head is not known: who has a place is told. */
  losePlaces(): void {
    this.#lost = this.#place ?? this.#lost
    this.#begun = { after: 0, at: 0 }
    this.#place = undefined
    const placed = [...this.#placed]
    this.#placed.clear()
    this.#endAll(placed)
  }

  isHere(client: string): boolean {
    return this.#fan.has(client)
  }

  /** Whether sessions rely on a place that lies before the head, in the same life of the numbering. */
  isBehind(head: Position): boolean {
    const place = this.#place
    return this.#placed.size > 0 && place?.epoch === head.epoch && place.offset < head.offset
  }

  /**
   * Compares with the head in Redis: `before` is `place` as it was before the head was read, and everything that
   * was published before that has meanwhile come, or never will.
   */
  compare(head: Position, before: Position | undefined): void {
    if (this.#placed.size === 0) return
    const place = this.#place
    const behind = !place || place.epoch !== head.epoch || place.offset < head.offset
    // Ahead of the head without a line since: the head went back (an old replica was promoted).
    const regressed = place !== undefined && place.offset > head.offset && place === before
    if (behind || regressed) this.losePlaces()
    if (regressed) this.#lost = undefined
  }

  /** Redis is back: sessions that could not get a place are sent to ask again. */
  settleOwed(): void {
    const owed = [...this.#owed]
    this.#owed.clear()
    this.#endAll(owed)
  }

  #receiveNumbered(place: Position, line: Buffer, known: boolean): void {
    const last = this.#place
    const sameLife = last?.epoch === place.epoch
    const before = sameLife ? this.#broughtTo : 0
    this.#broughtTo = place.offset
    // The bus follows with what was taken faster.
    if (sameLife && place.offset <= last.offset && place.offset > before) {
      const { after, at } = this.#begun
      const late = place.offset > after && place.offset < at && this.#placed.size === 0
      if (late && !known) this.#fan.publish(line)
      return
    }
    if (last && (!sameLife || last.offset + 1 !== place.offset)) this.losePlaces()
    this.#take(place, line, known)
  }

  #take(place: Position, line: string | Buffer, known = false): void {
    // Their place is older than this line: they come back and read what lies between.
    if (this.#owed.size > 0) this.settleOwed()
    this.#place = place
    this.#movedAt = performance.now()
    if (this.#joining.size > 0) this.#recent.keep({ place, line })
    if (!known) this.#fan.publish(line)
  }

  /** What was published without a number is missing in the history: nobody may recover over this place. */
  #skip(place: Position): void {
    // Lines behind it have come by an answer already.
    if (this.#place?.epoch === place.epoch && this.#place.offset >= place.offset) return
    this.losePlaces()
    this.settleOwed()
    this.#recent.clear()
    this.#place = place
    this.#broughtTo = place.offset
  }

  /** The lines that a session at `from` lacks to be where this node is; undefined where that can't be said. */
  #linesFrom(from: Position): readonly NumberedLine[] | undefined {
    const place = this.#place
    if (place?.epoch === from.epoch && place.offset >= from.offset) return this.#recent.between(from, place)
    // The session has read what the bus will never bring: what lies between is lost for the others. Where instead
    // the bus was faster (it has brought a newer epoch already), the next line or comparison finds that.
    this.losePlaces()
    if (place?.epoch !== from.epoch) this.#broughtTo = 0
    this.#place = from
    return []
  }

  #wasTaken({ epoch, offset }: Position): boolean {
    return this.#lost?.epoch === epoch && offset <= Math.max(this.#lost.offset, this.#broughtTo)
  }

  #endAll(clients: readonly string[]): void {
    for (const client of clients) {
      const outlet = this.#fan.get(client)
      if (!outlet) continue
      this.#fan.remove(client)
      this.#end(outlet)
    }
    if (clients.length > 0) this.#lookIdle()
  }

  #end(outlet: Outlet): void {
    const { code, reason } = unsubscribes.insufficientState
    outlet.endSubscription(this.name, code, reason)
  }

  #lookIdle(): void {
    if (this.#fan.size === 0 && this.#joining.size === 0) this.#onIdle(this)
  }
}
