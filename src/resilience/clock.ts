/** Time as a guard needs it. */
export interface Clock {
  /** Milliseconds; never goes back. */
  now(): number
  /** Runs once, later; what it returns takes it back. Does not keep the process alive. */
  after(ms: number, run: () => void): () => void
  /**
   * Runs when what lies on the sockets now has been read: after a long turn timers fire first, and an answer that
   * lies there is still in time.
   */
  afterReading(run: () => void): void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
  afterReading: run => void setImmediate(run),
}
