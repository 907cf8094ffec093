import { monitorEventLoopDelay } from 'node:perf_hooks'

/** One wake-up in so many milliseconds is what the measuring costs. */
const resolutionMs = 20
const nanoseconds = 1e6

/**
 * How late this process is: how long what arrives at some moment waits for its turn of the event loop, in milliseconds.
 *
 * The delay and not the loop's utilization, because a loop that is busy all the time with short turns serves everybody
 * well. Weighted by time, because a turn of a second is met by a thousand times as many messages as one of a
 * millisecond, and a plain mean or a percentile of turns would hide it behind the short ones.
 */
export class EventLoopLag {
  readonly #histogram = monitorEventLoopDelay({ resolution: resolutionMs })

  constructor() {
    this.#histogram.enable()
  }

  /** Since the last call. */
  read(): number {
    const { count, mean, stddev } = this.#histogram
    this.#histogram.reset()
    if (count === 0) return 0
    const weighted = (mean + (stddev * stddev) / mean) / nanoseconds
    return Math.max(0, weighted - resolutionMs)
  }

  close(): void {
    this.#histogram.disable()
  }
}
