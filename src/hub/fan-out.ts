import type { Lane } from './lane.ts'
import type { Outlet } from './outlet.ts'
import { maxJoinedCharacters, Packet } from './packet.ts'
import type { Flushable, Turn } from './turn.ts'

type Line = string | Buffer

/**
 * The subscribers of one channel on this node. Lines published within one turn of the event loop leave as one
 * packet, or as few where they are long: built once, the same bytes to everyone. Order of `publish` is kept for every subscriber.
 */
export class FanOut implements Flushable {
  readonly #outlets = new Map<string, Outlet>()
  readonly #lane: Lane
  #pending: Line[] = []
  #messages = 0
  #characters = 0
  /** By client, which of the pending lines (by index, with their number of messages) it does not get. */
  #excluded: Map<string, Map<number, number>> | undefined
  #scheduled = false
  /** What is handed out next is timed, and has been under way for so long. */
  #next: number | undefined
  /** That of its outlets. */
  #turn: Turn | undefined

  constructor(lane: Lane) {
    this.#lane = lane
  }

  get size(): number {
    return this.#outlets.size
  }

  has(client: string): boolean {
    return this.#outlets.has(client)
  }

  get(client: string): Outlet | undefined {
    return this.#outlets.get(client)
  }

  /** The outlet gets everything published after this call and nothing published before it. */
  add(outlet: Outlet): void {
    this.#handOver()
    this.#outlets.set(outlet.client, outlet)
    this.#turn = outlet.turn
  }

  /** Returns whether it was there. What was published before still reaches it. */
  remove(client: string): boolean {
    if (!this.#outlets.has(client)) return false
    this.#handOver()
    return this.#outlets.delete(client)
  }

  /**
   * Queues a line, or several already joined by newlines (`messages` says how many), for all subscribers, or for
   * all but one of them: that one gets a packet of its own without the line, the others still share theirs.
   */
  publish(line: Line, messages = 1, exclude?: string): void {
    if (this.#outlets.size === 0) return
    if (exclude !== undefined && this.#outlets.size === 1 && this.#outlets.has(exclude)) {
      this.#next = undefined
      return
    }
    if (this.#characters + line.length > maxJoinedCharacters) this.#handOver()
    this.#characters += line.length
    if (this.#next !== undefined) this.#begin()
    if (exclude !== undefined && this.#outlets.has(exclude)) this.#exclude(exclude, messages)
    this.#pending.push(line)
    this.#messages += messages
    if (this.#scheduled) return
    this.#scheduled = true
    this.#turn?.handOver(this)
  }

  /** Whether what is published next is one of the messages that are timed. */
  due(): boolean {
    return this.#outlets.size > 0 && this.#turn?.deliveries.due(this.#lane) === true
  }

  /**
   * What is published next is timed if anybody gets it; it has been under way for `before` seconds (NaN: nobody knows).
   * Undefined: it is not, also where that was said of something that nobody got.
   */
  begin(before: number | undefined): void {
    this.#next = before
  }

  /** Sends a line to some of the subscribers, after everything published before. */
  publishTo(line: Line, chosen: (outlet: Outlet) => boolean): void {
    this.#handOver()
    const packet = Packet.of([line])
    for (const outlet of this.#outlets.values()) {
      if (!chosen(outlet)) continue
      if (this.#next !== undefined) this.#begin()
      this.#expect(1)
      outlet.push(this.#lane, packet)
    }
  }

  /** Sends a line to one subscriber, after everything published before; returns whether it is here. */
  publishToClient(line: Line, client: string): boolean {
    const outlet = this.#outlets.get(client)
    if (!outlet) return false
    this.#handOver()
    if (this.#next !== undefined) this.#begin()
    this.#expect(1)
    outlet.push(this.#lane, Packet.of([line]))
    return true
  }

  /** Called at the end of the turn. */
  flush(): void {
    this.#scheduled = false
    this.#handOver()
  }

  #handOver(): void {
    if (this.#pending.length === 0) return
    const pending = this.#pending
    const messages = this.#messages
    const excluded = this.#excluded
    this.#pending = []
    this.#messages = 0
    this.#characters = 0
    this.#excluded = undefined
    const packet = Packet.of(pending, messages)
    this.#expect(messages * this.#outlets.size)
    if (!excluded) {
      for (const outlet of this.#outlets.values()) outlet.push(this.#lane, packet)
      return
    }
    for (const [client, outlet] of this.#outlets) {
      const without = excluded.get(client)
      if (!without) {
        outlet.push(this.#lane, packet)
        continue
      }
      const rest = without.size < pending.length ? packetWithout(pending, messages, without) : undefined
      this.#expect((rest?.messages ?? 0) - messages)
      if (rest) outlet.push(this.#lane, rest)
    }
  }

  #begin(): void {
    this.#turn?.deliveries.begin(this.#lane, this.#next as number)
    this.#next = undefined
  }

  #expect(messages: number): void {
    this.#turn?.deliveries.expect(this.#lane, messages)
  }

  #exclude(client: string, messages: number): void {
    this.#excluded ??= new Map()
    let without = this.#excluded.get(client)
    if (!without) {
      without = new Map()
      this.#excluded.set(client, without)
    }
    without.set(this.#pending.length, messages)
  }
}

function packetWithout(
  pending: readonly Line[],
  messages: number,
  without: ReadonlyMap<number, number>,
): Packet {
  let left = messages
  for (const count of without.values()) left -= count
  return Packet.of(
    pending.filter((_, i) => !without.has(i)),
    left,
  )
}
