import { FanOut, Lane, type Outlet } from '../../hub/index.ts'
import type { Member } from './member.ts'
import { limitAfter, type Page, type Pages } from './pages.ts'
import { Recent } from './recent.ts'
import { replay } from './replay.ts'
import type { Run } from './run.ts'
import { Sequence } from './sequence.ts'

/** Wire code of an unsubscribe push after which SDKs subscribe again from their place: insufficient state. */
const insufficientState = 2500
const endReason = 'insufficient state'
/** How long a hole may stay open before the subscribers are told that something is missing. */
const holePatienceMs = 5_000
const retryMs = 200

/**
 * One durable channel on this node: the position that moves by + 1, the live subscribers, and those on their way
 * to it. Whatever hints that the position is behind leads to one shared read from the position on.
 */
export class Feed {
  readonly channel: string
  readonly epoch: string
  readonly partition: number
  readonly #pages: Pages
  readonly #ageOf: (run: Run) => number
  readonly #sequence = new Sequence()
  readonly #live = new FanOut(Lane.durable)
  readonly #members = new Map<string, Member>()
  readonly #recent = new Recent()
  #catchingUp = 0
  #moved: (() => void)[] = []
  #filling = false
  /** The last offset that retention is known to have removed. */
  floor = 0
  /**
   * The connection of the bus on which nothing that is announced can have been missed; undefined, or another one than
   * the present, where that is not known.
   */
  assuredOn: number | undefined
  /** When the position was last known to be right. All times are those of `performance.now()`. */
  provenAt = performance.now()
  emptySince = performance.now()
  ended = false

  /** @param ageOf how many seconds ago a run was recorded; NaN where nobody knows */
  constructor(
    at: { channel: string; epoch: string; partition: number },
    pages: Pages,
    ageOf: (run: Run) => number = () => Number.NaN,
  ) {
    this.#ageOf = ageOf
    this.channel = at.channel
    this.epoch = at.epoch
    this.partition = at.partition
    this.#pages = pages
  }

  get position(): number {
    return this.#sequence.position
  }

  /** Whether it has a position yet. */
  get opened(): boolean {
    return this.#sequence.started
  }

  get size(): number {
    return this.#members.size
  }

  /** Begins at a head that was read after the bus was asked for the channel. */
  open(position: number, floor: number): void {
    this.floor = floor
    this.#sequence.start(position)
    this.#deliver()
  }

  /** Takes publications in, from wherever; they reach the subscribers in order and once. */
  offer(run: Run): void {
    this.#sequence.offer(run)
    this.#deliver()
  }

  /** A commit of this node: taken at once if it is the next one; else the bus brings it in its order. */
  offerNext(run: Run): void {
    if (!this.#sequence.started || run.first === this.position + 1) this.offer(run)
  }

  /** Hears of the channel's head and floor in the ledger. */
  hear(head: number, floor: number): void {
    this.provenAt = performance.now()
    this.floor = Math.max(this.floor, floor)
    this.#sequence.hear(head)
    this.#deliver()
  }

  enter(outlet: Outlet): Member {
    this.leave(outlet.client)
    const member: Member = { outlet, state: 'arriving', at: 0 }
    this.#members.set(outlet.client, member)
    this.#catchingUp++
    return member
  }

  /** Makes the session live as soon as it has everything up to the channel's position. */
  join(member: Member): void {
    if (member.state === 'expelled') member.outlet.endSubscription(this.channel, insufficientState, endReason)
    if (member.state !== 'arriving' || this.#dropIfClosed(member) || this.tryLive(member)) return
    member.state = 'catching_up'
    void replay(this, member, this.#pages)
  }

  /** In one turn: what is missing to the position, then the live set. False where more has to be read. */
  tryLive(member: Member): boolean {
    if (member.at > this.position) return false
    if (member.at < this.position) {
      const packet = this.#recent.after(member.at)
      if (!packet) return false
      member.outlet.turn.deliveries.expect(Lane.durable, packet.messages)
      member.outlet.push(Lane.durable, packet)
      member.at = this.position
    }
    this.#live.add(member.outlet)
    member.state = 'live'
    this.#caughtUp()
    return true
  }

  /** Resolves when the position moves, or the feed ends. */
  moved(): Promise<void> {
    return this.ended ? Promise.resolve() : new Promise(resolve => this.#moved.push(resolve))
  }

  /** With `only`, nothing happens where another subscription of the session has taken its place. */
  leave(client: string, only?: Member): void {
    const member = this.#members.get(client)
    if (member && (only ?? member) === member) this.#remove(member)
  }

  /** Ends a subscription from this side; the SDK comes back from its place and is answered anew. */
  expel(member: Member): void {
    const arriving = member.state === 'arriving'
    if (!this.#remove(member)) return
    if (arriving) member.state = 'expelled'
    else member.outlet.endSubscription(this.channel, insufficientState, endReason)
  }

  /** Ends all subscriptions, and the feed. */
  end(): void {
    this.ended = true
    for (const member of [...this.#members.values()]) this.expel(member)
    this.#wake()
  }

  /** Forgets sessions that have ended while they were on their way. */
  dropClosed(): void {
    if (this.#catchingUp > 0) for (const member of [...this.#members.values()]) this.#dropIfClosed(member)
  }

  /** What is kept for those on their way may not be said any more; they read it anew. */
  forgetRecent(): void {
    this.#recent.clear()
  }

  #dropIfClosed(member: Member): boolean {
    if (member.outlet.closed) this.#remove(member)
    return member.outlet.closed
  }

  #remove(member: Member): boolean {
    if (member.state === 'gone' || member.state === 'expelled') return false
    this.#members.delete(member.outlet.client)
    if (member.state === 'live') this.#live.remove(member.outlet.client)
    else this.#caughtUp()
    member.state = 'gone'
    if (this.#members.size === 0) this.emptySince = performance.now()
    return true
  }

  #caughtUp(): void {
    if (--this.#catchingUp === 0) this.#recent.clear()
  }

  #deliver(): void {
    let run = this.#sequence.take()
    if (run) {
      this.provenAt = performance.now()
      for (; run; run = this.#sequence.take()) {
        if (this.#live.due()) this.#live.begin(this.#ageOf(run))
        this.#live.publish(run.text, run.count)
        if (this.#catchingUp > 0) this.#recent.keep(run)
      }
      this.#wake()
    }
    if (!this.#filling && !this.ended && this.#sequence.hole()) void this.#fill()
  }

  #wake(): void {
    const moved = this.#moved
    this.#moved = []
    for (const resolve of moved) resolve()
  }

  /** One read at a time for all subscribers; it goes on until nothing is known to be missing. */
  async #fill(): Promise<void> {
    this.#filling = true
    let page: Page | undefined
    let openSince = performance.now()
    for (let hole = this.#sequence.hole(); hole && !this.ended; hole = this.#sequence.hole()) {
      const before = this.position
      const read = await this.#pages.read(this.channel, hole.after, limitAfter(page)).catch(() => undefined)
      if (read?.kind === 'removed') this.end()
      if (read?.kind === 'page') {
        page = read.page
        this.offer(page.run)
      }
      if (this.position > before) {
        openSince = performance.now()
        continue
      }
      if (performance.now() - openSince > holePatienceMs) this.end()
      else await new Promise(resolve => setTimeout(resolve, retryMs))
    }
    this.#filling = false
  }
}
