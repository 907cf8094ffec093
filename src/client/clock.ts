/** Time as the client needs it; tests bring their own. */
export interface Clock {
  /** Milliseconds. */
  now(): number
  /** Runs `task` once, at the earliest after `ms` milliseconds; returns how to call that off. */
  after(ms: number, task: () => void): () => void
  /** At least 0, less than 1. */
  random(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, task) {
    const timer = setTimeout(task, ms)
    return () => clearTimeout(timer)
  },
  random: () => Math.random(),
}
