import type { Transport } from './transport.ts'

/** Commands of one session under way, above which nothing more is read from it. */
const maxUnderWay = 256

/**
 * Stops reading from a client that asks for more than it takes: too many commands under way, or too many bytes of
 * replies that it has not read (policy: pause reading). Taken up again at half of either bound.
 */
export class Reading {
  readonly #transport: Pick<Transport, 'pause' | 'resume'>
  readonly #maxReplyBytes: number
  #paused = false

  constructor(transport: Pick<Transport, 'pause' | 'resume'>, maxReplyBytes: number) {
    this.#transport = transport
    this.#maxReplyBytes = maxReplyBytes
  }

  /** Looks at what is owed to the client now. */
  adjust(owed: { readonly commands: number; readonly replyBytes: number }): void {
    const share = Math.max(owed.commands / maxUnderWay, owed.replyBytes / this.#maxReplyBytes)
    if (!this.#paused && share > 1) {
      this.#paused = true
      this.#transport.pause()
    } else if (share <= 0.5) this.goOn()
  }

  goOn(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#transport.resume()
  }
}
