/** Seconds: what a turn of the event loop takes, up to what nobody waits for. The goals of delivery (0.25 s, 2.5 s) are among them. */
export const latencyBounds = [
  0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
] as const

/** Up to what an appender's batch may have. */
export const sizeBounds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000] as const

/**
 * A histogram's counts since the process began, kept in one array that is made once: a record costs no allocation and no
 * look-up of attributes, which an instrument's would (measured: 1.4 µs against 0.02 µs).
 */
export class Buckets {
  readonly bounds: readonly number[]
  /** One more than there are bounds: the last is for what lies above all of them. */
  readonly counts: Float64Array
  sum = 0
  count = 0

  constructor(bounds: readonly number[] = latencyBounds) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  /** What is no number, or below 0 (a clock was set), says nothing and counts as 0. */
  record(value: number): void {
    const at = value > 0 ? value : 0
    let i = 0
    while (i < this.bounds.length && at > (this.bounds[i] as number)) i++
    this.counts[i] = (this.counts[i] as number) + 1
    this.sum += at
    this.count++
  }
}
