/** The sets of a tier, as numbers, in the words of Jepsen's checkers. */
export interface Sets {
  readonly attempted: number
  readonly acknowledged: number
  /** No answer came, and it is there nevertheless: in the store, or at a subscriber where there is none. */
  readonly recovered: number
  readonly failed: number
  readonly unknown: number
  readonly stored: number
  readonly delivered: number
  /** Acknowledged and not in the store; where there is none, acknowledged and missing at some subscriber. */
  readonly lost: number
  /** Acknowledged or stored and not delivered, counted for each subscriber. */
  readonly missing: Missing
  readonly duplicated: number
  readonly outOfOrder: number
  readonly phantom: number
  /** Offsets that are not dense, not as acknowledged, or not the store's. */
  readonly unexpectedOffsets: number
  /** Stored events whose effect is not there exactly once, for each processor. */
  readonly wrongEffects: number
  /** Rows of read models that are not what the ledger makes of them. */
  readonly wrongRows: number
  /** What follows from commands and is torn, or was decided without knowing what is before it. */
  readonly wrongCommands: number
  readonly told: number
}

/** Where in what it should have got a subscriber has holes: this tells why. */
export interface Missing {
  readonly prefix: number
  readonly middle: number
  readonly postfix: number
}

export const noSets: Sets = {
  attempted: 0,
  acknowledged: 0,
  recovered: 0,
  failed: 0,
  unknown: 0,
  stored: 0,
  delivered: 0,
  lost: 0,
  missing: { prefix: 0, middle: 0, postfix: 0 },
  duplicated: 0,
  outOfOrder: 0,
  phantom: 0,
  unexpectedOffsets: 0,
  wrongEffects: 0,
  wrongRows: 0,
  wrongCommands: 0,
  told: 0,
}

export function total({ prefix, middle, postfix }: Missing): number {
  return prefix + middle + postfix
}

export function sum(one: Missing, other: Missing): Missing {
  return {
    prefix: one.prefix + other.prefix,
    middle: one.middle + other.middle,
    postfix: one.postfix + other.postfix,
  }
}

/** `expected` in its order: before the first that came, behind the last that came, or between. */
export function missingOf(expected: readonly string[], came: ReadonlySet<string>): Missing {
  const first = expected.findIndex(value => came.has(value))
  if (first < 0) return { prefix: expected.length, middle: 0, postfix: 0 }
  const last = expected.findLastIndex(value => came.has(value))
  let middle = 0
  for (const value of expected.slice(first, last)) if (!came.has(value)) middle++
  return { prefix: first, middle, postfix: expected.length - 1 - last }
}

/** Values that come more than once count once for each further time. */
export function repeated<T>(values: readonly T[]): T[] {
  const seen = new Set<T>()
  return values.filter(value => seen.has(value) || !seen.add(value))
}
