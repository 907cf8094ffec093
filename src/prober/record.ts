/** What a canary was told of one event. */
export interface Told {
  readonly offset: number
  readonly id: string
}

/** What it was delivered. */
export interface Received extends Told {
  /** JSON, as this process writes it. */
  readonly data: string
}

/** As many as a canary and its listeners say while their events are kept; what is above, is forgotten unaudited. */
const mostKept = 2_000

/**
 * What a node's canary knows of its own durable channel: which appends were acknowledged, and what was delivered. All of it
 * belongs to one epoch; a new one begins with nothing.
 */
export class CanaryRecord {
  readonly acknowledged = new Map<number, Told>()
  readonly received = new Map<number, Received>()
  epoch = ''
  /** The first offset that this process can have been delivered; 0 before it has subscribed. */
  from = 0
  /** The last offset that was delivered. */
  last = 0
  /** Deliveries that were not the next one of their subscription. */
  outOfOrder = 0

  /** The highest offset that was told or delivered. */
  get highest(): number {
    return Math.max(this.last, ...this.acknowledged.keys())
  }

  begin(epoch: string, offset: number): void {
    if (epoch === this.epoch && this.from > 0) return
    this.epoch = epoch
    this.from = offset + 1
    this.last = offset
    this.acknowledged.clear()
    this.received.clear()
  }

  tell(epoch: string, told: Told): void {
    if (epoch !== this.epoch) return
    keep(this.acknowledged, told)
  }

  receive(received: Received): void {
    if (this.received.has(received.offset)) return
    // Of what is forgotten nobody can say any more whether it was delivered.
    this.from = Math.max(this.from, keep(this.received, received) + 1)
    this.last = Math.max(this.last, received.offset)
  }

  /** What retention has removed nobody can miss any more. */
  forget(through: number): void {
    for (const kept of [this.acknowledged, this.received])
      for (const offset of kept.keys()) if (offset <= through) kept.delete(offset)
  }
}

/** Returns the offset that was forgotten for it; 0: none. */
function keep<T extends Told>(map: Map<number, T>, told: T): number {
  map.set(told.offset, told)
  const [oldest = 0] = map.size > mostKept ? map.keys() : []
  map.delete(oldest)
  return oldest
}
