/** What became of the calls of the last while. A value: every change makes a new one. */
export interface FailureWindow {
  /** Failures since the last success. */
  readonly inARow: number
  /** The oldest first. */
  readonly slots: readonly Slot[]
}

interface Slot {
  readonly number: number
  readonly good: number
  readonly bad: number
}

export interface WindowRules {
  /** How far back it looks, in milliseconds. */
  readonly ms: number
  /** Fewer calls than this say nothing about a share. */
  readonly calls: number
  /** The share of failed calls, from which on the dependency counts as broken. */
  readonly share: number
}

export const emptyWindow: FailureWindow = { inARow: 0, slots: [] }

/** The window slides by this part of its length. */
const slotsInWindow = 10

export function withSuccesses(
  window: FailureWindow,
  count: number,
  at: number,
  rules: WindowRules,
): FailureWindow {
  return { inARow: 0, slots: counted(window.slots, slotAt(at, rules), count, 0) }
}

export function withFailure(window: FailureWindow, at: number, rules: WindowRules): FailureWindow {
  return { inARow: window.inARow + 1, slots: counted(window.slots, slotAt(at, rules), 0, 1) }
}

/** Whether so many of the calls have failed that the dependency counts as broken. */
export function isBroken(window: FailureWindow, at: number, rules: WindowRules): boolean {
  let good = 0
  let bad = 0
  for (const slot of recent(window.slots, slotAt(at, rules))) {
    good += slot.good
    bad += slot.bad
  }
  return good + bad >= rules.calls && bad >= rules.share * (good + bad)
}

function slotAt(at: number, rules: WindowRules): number {
  return Math.floor((at * slotsInWindow) / rules.ms)
}

function recent(slots: readonly Slot[], number: number): Slot[] {
  return slots.filter(slot => slot.number > number - slotsInWindow)
}

function counted(slots: readonly Slot[], number: number, good: number, bad: number): Slot[] {
  const kept = recent(slots, number)
  const last = kept.at(-1)
  if (last?.number === number) {
    kept[kept.length - 1] = { number, good: last.good + good, bad: last.bad + bad }
  } else kept.push({ number, good, bad })
  return kept
}
