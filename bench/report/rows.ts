// What a run found, as values: rows to show, and ratios to compare with a recorded run.

export interface Row {
  /** What was measured, under which load. */
  readonly what: string
  readonly unit: string
  /** Holdfast's figure; undefined where this system could not give it. */
  readonly holdfast: number | undefined
  /** The figures of what stands beside it, in the same run. */
  readonly others: Readonly<Record<string, number | undefined>>
  readonly ratio?: Ratio
  /** A goal for Holdfast's figure itself. No absolute figure is ever judged, only shown. */
  readonly goal?: { readonly atMost?: number; readonly atLeast?: number }
}

export interface Ratio {
  /** Fixed for ever: recorded runs are compared by it. */
  readonly key: string
  /** Whose figure it is compared with. */
  readonly to: string
  /** How many times better Holdfast is: above 1 better, below 1 worse, whichever direction the unit has. */
  readonly value: number | undefined
  readonly goal?: number
  /** Whether a fall below half of the recorded value fails a check. Latency tails are too restless for that. */
  readonly judged: boolean
}

export interface Part {
  readonly name: string
  readonly title: string
  readonly rows: readonly Row[]
  /** Everything measured, for the JSON. */
  readonly details: unknown
  /** What the reader has to know before believing a figure. */
  readonly notes: readonly string[]
}

/** A ratio of two figures of which the higher is better. */
export function higher(ours: number | undefined, theirs: number | undefined): number | undefined {
  return ours === undefined || theirs === undefined || theirs === 0 ? undefined : ours / theirs
}

/** A ratio of two figures of which the lower is better. */
export function lower(ours: number | undefined, theirs: number | undefined): number | undefined {
  return higher(theirs, ours)
}
