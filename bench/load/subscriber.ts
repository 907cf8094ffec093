import type { FrameSink } from './frames.ts'
import type { RawSocket } from './raw-socket.ts'
import { readDueUs, readStep, stampPlace } from './stamp.ts'

/** What all subscribers of a load process add to. */
export interface Tally {
  delivered: number
  /** When the step's last sampled message came, in ms of `performance.now()`. */
  lastAt: number
  step: number
  readonly crossMs: number[]
  readonly localMs: number[]
}

/**
 * Counts messages by the length of frames alone: lines are equally long and joined by one byte, so a frame's length
 * says how many it carries. Only a sampled subscriber looks inside, for latencies.
 */
export class Subscriber implements FrameSink {
  readonly #tally: Tally
  readonly #samples: number[] | undefined
  readonly sampled: boolean
  #lineLength = 0
  #stampAt = 0
  /** Whether the frame under way has been counted by its length alone. */
  #counted = false

  constructor(socket: RawSocket, tally: Tally, from: 'cross' | 'local', sampled: boolean) {
    this.#tally = tally
    this.sampled = sampled
    this.#samples = sampled ? (from === 'cross' ? tally.crossMs : tally.localMs) : undefined
    socket.sink = this
  }

  /** Bytes of one message on this connection, known from the first one; 0 until then. */
  get lineLength(): number {
    return this.#lineLength
  }

  begin(_opcode: number, length: number): boolean {
    const messages = this.#messagesIn(length)
    this.#counted = Number.isInteger(messages)
    if (this.#counted) this.#tally.delivered += messages
    return !this.#counted || this.sampled
  }

  payload(_opcode: number, payload: Buffer): void {
    if (this.#lineLength === 0) {
      this.#stampAt = stampPlace(payload)
      this.#lineLength = payload.length
      return
    }
    if (!this.#counted) {
      const messages = this.#messagesIn(payload.length)
      if (!Number.isInteger(messages)) {
        throw new Error(`a frame that is no whole number of messages: ${payload.toString('utf8', 0, 300)}`)
      }
      this.#tally.delivered += messages
    }
    if (this.#samples) this.#sample(payload, this.#samples)
  }

  #messagesIn(length: number): number {
    return this.#lineLength === 0 ? Number.NaN : (length + 1) / (this.#lineLength + 1)
  }

  #sample(payload: Buffer, samples: number[]): void {
    const now = performance.now()
    for (let at = this.#stampAt; at < payload.length; at += this.#lineLength + 1) {
      if (readStep(payload, at) !== this.#tally.step) continue
      samples.push(now - readDueUs(payload, at) / 1000)
      this.#tally.lastAt = now
    }
  }
}
