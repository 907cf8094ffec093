import type { LogPlace } from './competing-stream.ts'
import type { TurnItem } from './handler-call.ts'

/** Events of one partition that may share a transaction. */
export interface Batch {
  readonly place: LogPlace
  readonly items: readonly TurnItem[]
}

interface Lane {
  readonly place: LogPlace
  readonly waiting: TurnItem[]
  /** When each of those that wait came. */
  readonly since: number[]
  /** Positions that wait or are being handled: Redis and the ledger may both come with the same event. */
  readonly held: Set<number>
}

/**
 * What a process has read for a competing group and not finished with. Partitions take turns, so that none of them
 * waits for another's flood.
 */
export class Backlog {
  readonly #lanes = new Map<string, Lane>()
  #size = 0

  /** How many events wait. */
  get size(): number {
    return this.#size
  }

  /** Adds what is not held already. */
  add(place: LogPlace, items: readonly TurnItem[]): void {
    if (items.length === 0) return
    const lane = this.#lane(place)
    const now = performance.now()
    for (const item of items) {
      const { position } = item.event
      if (lane.held.has(position)) continue
      lane.held.add(position)
      lane.waiting.push(item)
      lane.since.push(now)
      this.#size++
    }
  }

  /**
   * The next events of the partition whose turn it is; they are held until they are released. Fewer than `most` have to wait
   * for more as long as `delayMs`.
   */
  next(most: number, delayMs = 0): Batch | undefined {
    const now = performance.now()
    for (const [key, lane] of this.#lanes) {
      const [since] = lane.since
      if (since === undefined || (lane.waiting.length < most && since + delayMs > now)) continue
      const items = this.#take(lane, most)
      this.#lanes.delete(key)
      this.#lanes.set(key, lane)
      return { place: lane.place, items }
    }
    return undefined
  }

  /** Milliseconds until what waits has waited for so long somewhere; infinite where nothing waits. */
  dueIn(delayMs: number): number {
    const since = [...this.#lanes.values()].flatMap(lane => lane.since.slice(0, 1))
    return Math.max(0, Math.min(...since) + delayMs - performance.now())
  }

  release({ place, items }: Batch): void {
    const key = keyOf(place)
    const lane = this.#lanes.get(key)
    if (!lane) return
    for (const { event } of items) lane.held.delete(event.position)
    if (lane.held.size === 0) this.#lanes.delete(key)
  }

  /**
   * Lets go of what waits, all of it or what has waited since before a moment, and returns of which partitions; what is
   * being handled stays held.
   */
  drop(before = Number.POSITIVE_INFINITY): readonly number[] {
    const partitions: number[] = []
    for (const lane of [...this.#lanes.values()]) {
      const { place, since } = lane
      const fresh = since.findIndex(each => each >= before)
      const stale = fresh < 0 ? since.length : fresh
      if (stale === 0) continue
      partitions.push(place.partition)
      this.release({ place, items: this.#take(lane, stale) })
    }
    return partitions
  }

  #take(lane: Lane, most: number): TurnItem[] {
    const items = lane.waiting.splice(0, most)
    lane.since.splice(0, most)
    this.#size -= items.length
    return items
  }

  #lane(place: LogPlace): Lane {
    const key = keyOf(place)
    let lane = this.#lanes.get(key)
    if (!lane) {
      lane = { place, waiting: [], since: [], held: new Set() }
      this.#lanes.set(key, lane)
    }
    return lane
  }
}

/** The epoch is part of it: the same position in another epoch is another event. */
function keyOf({ epoch, partition }: LogPlace): string {
  return `${epoch}.${partition}`
}
