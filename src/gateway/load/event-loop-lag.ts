/** One wake-up in so many milliseconds is what the measuring costs. */
const tickMs = 50

/**
 * How late this process is: how long what arrives at some moment waits for its turn of the event loop, in milliseconds.
 *
 * The delay and not the loop's utilization, because a loop that is busy all the time with short turns serves everybody
 * well. Weighted by time, because a turn of a second is met by a thousand times as many messages as one of a
 * millisecond, and a plain mean or a percentile of turns would hide it behind the short ones. And by a timer of our own:
 * after each reset, Node's `monitorEventLoopDelay` leaves out the first turn, which is the only one where turns are long.
 */
export class EventLoopLag {
  readonly #timer: NodeJS.Timeout
  #tickedAt = performance.now()
  #passed = 0
  #squares = 0

  constructor() {
    this.#timer = setInterval(() => this.#tick(), tickMs)
    this.#timer.unref()
  }

  /** Since the last call. */
  read(): number {
    this.#tick()
    const lag = this.#passed === 0 ? 0 : Math.max(0, this.#squares / this.#passed - tickMs)
    this.#passed = 0
    this.#squares = 0
    return lag
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    const now = performance.now()
    const between = now - this.#tickedAt
    this.#tickedAt = now
    this.#passed += between
    this.#squares += between * between
  }
}
