import { Buckets } from '../telemetry/index.ts'
import { Lane } from './lane.ts'

/**
 * Why a message for a subscriber was not written: its connection was cut because it read too slowly, its connection had
 * ended otherwise, or it did not want it any more.
 */
export const losses = ['slow', 'closed', 'unsubscribed'] as const
export type Loss = (typeof losses)[number]

const lanes = Object.keys(Lane).length
/** Of realtime messages one of so many is timed. */
const realtimeOneOf = 16
/** Timed messages of one turn; the others of that turn took as long. */
const maxOpen = 64

/**
 * What became of messages on their way to the sockets of one node, in plain numbers by lane: each subscriber's each
 * message is expected once, and then written once or lost once, or still on its way.
 */
export class Deliveries {
  readonly expected = new Float64Array(lanes)
  /** The kernel has taken them. */
  readonly written = new Float64Array(lanes)
  readonly lost: Readonly<Record<Loss, Float64Array>> = {
    slow: new Float64Array(lanes),
    closed: new Float64Array(lanes),
    unsubscribed: new Float64Array(lanes),
  }
  /** Seconds from a message's arrival on this node until all sockets that take it have it. */
  readonly fanOut = [Lane.realtime, Lane.durable].map(lane => ({ lane, buckets: new Buckets() }))
  /** The same, and what it took before it came here. */
  readonly endToEnd = [Lane.realtime, Lane.durable].map(lane => ({ lane, buckets: new Buckets() }))
  /** For whoever writes to a socket: by lane, what goes with this write. */
  readonly leaving = new Float64Array(lanes)
  readonly #arrivedAt = new Float64Array(maxOpen)
  readonly #before = new Float64Array(maxOpen)
  readonly #lane = new Uint8Array(maxOpen)
  #open = 0
  #realtime = 0

  /** Messages times the subscribers that they are for. */
  expect(lane: Lane, messages: number): void {
    this.expected[lane] = (this.expected[lane] as number) + messages
  }

  /** Whether the next message of the lane is one of those that are timed. */
  due(lane: Lane): boolean {
    return lane !== Lane.realtime || this.#realtime++ % realtimeOneOf === 0
  }

  /** A message that is timed has come; it has been under way for `before` seconds (NaN: nobody knows). */
  begin(lane: Lane, before: number): void {
    if (this.#open === maxOpen) return
    this.#arrivedAt[this.#open] = performance.now()
    this.#before[this.#open] = before
    this.#lane[this.#open] = lane
    this.#open++
  }

  /** Everything of this turn is written. */
  settle(): void {
    if (this.#open === 0) return
    const now = performance.now()
    for (let i = 0; i < this.#open; i++) {
      const took = (now - (this.#arrivedAt[i] as number)) / 1_000
      const before = this.#before[i] as number
      const at = this.#lane[i] === Lane.realtime ? 0 : 1
      this.fanOut[at]?.buckets.record(took)
      if (!Number.isNaN(before)) this.endToEnd[at]?.buckets.record(Math.max(0, before) + took)
    }
    this.#open = 0
  }
}
