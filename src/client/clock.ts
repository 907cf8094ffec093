/** Time as the client needs it; tests bring their own. */
export interface Clock {
  /** Milliseconds since some moment; never set back, so that nothing waits for an hour to come again. */
  now(): number
  /** Runs `task` once, at the earliest after `ms` milliseconds; returns how to call that off. */
  after(ms: number, task: () => void): () => void
  /** At least 0, less than 1. */
  random(): number
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, task) {
    const timer = setTimeout(task, ms)
    return () => clearTimeout(timer)
  },
  random: () => Math.random(),
}
