import type { Lane, Outlet } from './outlet.ts'
import { Packet } from './packet.ts'

/**
 * The subscribers of one channel on this node. Lines published within one turn of the event loop leave as one
 * packet: built once, the same bytes to everyone. Order of `publish` is kept for every subscriber.
 */
export class FanOut {
  readonly #outlets = new Map<string, Outlet>()
  readonly #lane: Lane
  #pending: (string | Buffer)[] = []
  #messages = 0
  #scheduled = false

  constructor(lane: Lane) {
    this.#lane = lane
  }

  get size(): number {
    return this.#outlets.size
  }

  outlets(): IterableIterator<Outlet> {
    return this.#outlets.values()
  }

  has(client: string): boolean {
    return this.#outlets.has(client)
  }

  get(client: string): Outlet | undefined {
    return this.#outlets.get(client)
  }

  /** The outlet gets everything published after this call and nothing published before it. */
  add(outlet: Outlet): void {
    this.flush()
    this.#outlets.set(outlet.client, outlet)
  }

  /** Returns whether it was there. What was published before still reaches it. */
  remove(client: string): boolean {
    if (!this.#outlets.has(client)) return false
    this.flush()
    return this.#outlets.delete(client)
  }

  /** Queues a line, or several already joined by newlines (`messages` says how many), for all subscribers. */
  publish(line: string | Buffer, messages = 1): void {
    if (this.#outlets.size === 0) return
    this.#pending.push(line)
    this.#messages += messages
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.flush()
    })
  }

  /** Sends a line to some of the subscribers, after everything published before. */
  publishTo(line: string | Buffer, chosen: (outlet: Outlet) => boolean): void {
    this.flush()
    const packet = Packet.of([line])
    for (const outlet of this.#outlets.values()) if (chosen(outlet)) outlet.push(this.#lane, packet)
  }

  /** Hands over what is pending now instead of at the end of the turn. */
  flush(): void {
    if (this.#pending.length === 0) return
    const packet = Packet.of(this.#pending, this.#messages)
    this.#pending = []
    this.#messages = 0
    for (const outlet of this.#outlets.values()) outlet.push(this.#lane, packet)
  }
}
