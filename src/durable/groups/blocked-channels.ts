import type { OpenRow } from './delivery-rows.ts'
import type { OpenCounts } from './group-store.ts'

interface Row extends Omit<OpenRow, 'dueInMs'> {
  /** By the clock that is passed in. */
  readonly dueAt: number
}

/**
 * The channels of one partition in which an ordered group still owes something, with what it owes, in order. Later events
 * of such a channel have to wait.
 */
export class BlockedChannels {
  readonly #channels = new Map<string, Row[]>()
  #size = 0

  /** `rows` in ascending order of their positions. */
  constructor(rows: readonly OpenRow[], now: number) {
    for (const row of rows) this.add(row, now)
  }

  get size(): number {
    return this.#size
  }

  has(channel: string): boolean {
    return this.#channels.has(channel)
  }

  /** A row above all others of its channel, or one of them anew. */
  add({ dueInMs, ...row }: OpenRow, now: number): void {
    const rows = this.#channels.get(row.channel) ?? []
    this.#channels.set(row.channel, rows)
    const entry = { ...row, dueAt: now + dueInMs }
    const at = rows.findIndex(({ position }) => position === row.position)
    if (at >= 0) {
      rows[at] = entry
    } else {
      rows.push(entry)
      this.#size++
    }
  }

  /** They are settled. */
  end(ended: readonly { readonly channel: string; readonly position: number }[]): void {
    const positions = new Set(ended.map(({ position }) => position))
    for (const channel of new Set(ended.map(each => each.channel))) {
      const rows = this.#channels.get(channel) ?? []
      const left = rows.filter(({ position }) => !positions.has(position))
      this.#size -= rows.length - left.length
      if (left.length > 0) this.#channels.set(channel, left)
      else this.#channels.delete(channel)
    }
  }

  /**
   * What may be handled now, at most so many, in an order in which it may be handled: of a channel its lowest row, and
   * those behind it up to the first that is not due. `waiting` is due as soon as nothing stands before it.
   */
  due(now: number, limit: number): readonly Row[] {
    const due: Row[] = []
    for (const rows of this.#channels.values()) {
      for (const row of rows) {
        if (due.length >= limit) return due
        if (!isDue(row, now)) break
        due.push(row)
      }
    }
    return due
  }

  /** Milliseconds until something is due by itself. */
  dueIn(now: number): number {
    let first = Number.POSITIVE_INFINITY
    for (const [row] of this.#channels.values()) {
      if (row && row.state !== 'parked') first = Math.min(first, row.state === 'waiting' ? now : row.dueAt)
    }
    return Math.max(0, first - now)
  }

  /** Whether the database counts something else: a person has decided about one of them. */
  differsFrom(counts: OpenCounts | undefined, now: number): boolean {
    const rows = [...this.#channels.values()].flat()
    const retrying = rows.filter(({ state }) => state === 'retrying')
    return (
      (counts?.open ?? 0) !== rows.length ||
      (counts?.parked ?? 0) !== rows.filter(({ state }) => state === 'parked').length ||
      (counts?.retrying ?? 0) !== retrying.length ||
      (counts?.due ?? 0) > retrying.filter(row => row.dueAt <= now).length
    )
  }
}

function isDue({ state, dueAt }: Row, now: number): boolean {
  return state === 'waiting' || (state === 'retrying' && dueAt <= now)
}
