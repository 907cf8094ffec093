import { above, lastOf, type Run } from './run.ts'

export interface SequenceBounds {
  readonly maxRuns: number
  readonly maxBytes: number
}

const defaults: SequenceBounds = { maxRuns: 1_024, maxBytes: 1_048_576 }

/**
 * Decides what of a channel goes to its subscribers, in order and once. The position moves only by + 1: what lies
 * at or below it is dropped, what lies above the next offset waits until the hole before it is filled. The waiting
 * room is bounded; when it overflows all of it is let go and read again, since its offsets stay known.
 *
 * Before `start` everything waits: the position comes from a head that is read after the bus was subscribed.
 */
export class Sequence {
  readonly #bounds: SequenceBounds
  #position = -1
  #known = 0
  #waiting: Run[] = []
  #waitingBytes = 0

  constructor(bounds: SequenceBounds = defaults) {
    this.#bounds = bounds
  }

  get started(): boolean {
    return this.#position >= 0
  }

  /** The last offset delivered; −1 before the start. */
  get position(): number {
    return this.#position
  }

  /** What was held meanwhile is then got by `take`. */
  start(position: number): void {
    this.#position = position
  }

  /** Takes a run in; what can be delivered is then got by `take`. */
  offer(run: Run): void {
    const rest = above(run, this.#position)
    if (!rest) return
    this.#known = Math.max(this.#known, lastOf(rest))
    let i = this.#waiting.length
    while (i > 0 && (this.#waiting[i - 1] as Run).first > rest.first) i--
    this.#waiting.splice(i, 0, rest)
    this.#waitingBytes += rest.text.length
    const next = this.started && rest.first === this.#position + 1
    if (next || (this.#waiting.length <= this.#bounds.maxRuns && this.#waitingBytes <= this.#bounds.maxBytes))
      return
    this.#waiting = []
    this.#waitingBytes = 0
  }

  /** Hears that the channel reaches at least up to `offset`. */
  hear(offset: number): void {
    this.#known = Math.max(this.#known, offset)
  }

  /** The next run to deliver; the position moves behind it. */
  take(): Run | undefined {
    while (this.started && this.#waiting.length > 0) {
      const run = this.#waiting[0] as Run
      if (run.first > this.#position + 1) return undefined
      this.#waiting.shift()
      this.#waitingBytes -= run.text.length
      const rest = above(run, this.#position)
      if (!rest) continue
      this.#position = lastOf(rest)
      return rest
    }
    return undefined
  }

  /** Once `take` has nothing more: what is missing before anything else can be delivered, the offsets after `after` up to `to`. */
  hole(): { readonly after: number; readonly to: number } | undefined {
    if (!this.started || this.#known <= this.#position) return undefined
    return { after: this.#position, to: (this.#waiting[0]?.first ?? this.#known + 1) - 1 }
  }
}
