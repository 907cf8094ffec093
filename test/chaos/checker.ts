import { type Bounds, checkBounds, checkQuiet, type Measures, measure } from './checks/bounds.ts'
import { checkDurable } from './checks/durable.ts'
import { Findings, type Violation } from './checks/findings.ts'
import { History } from './checks/history.ts'
import { checkRealtime, type SignalSets } from './checks/realtime.ts'
import type { Sets } from './checks/sets.ts'
import type { Fault, Recorded } from './types.ts'

export type { Measures } from './checks/bounds.ts'
export type { Violation } from './checks/findings.ts'

/** What the checker says about a run. */
export interface Verdict {
  readonly events: Sets
  readonly signals: SignalSets
  readonly measures: Measures
  /** Empty: every promise was kept. */
  readonly violations: readonly Violation[]
  /** Broken, and said before to be beyond anybody's power under this fault. */
  readonly excused: readonly Violation[]
}

export interface JudgeOptions {
  /** The same run without the fault. */
  readonly baseline?: Measures
  readonly fault?: Pick<Fault, 'strikes' | 'excuses'>
}

const MiB = 1_048_576

/**
 * The bounds of the promises: silence and recovery as promised; the rest has no number in a promise. A signal is late
 * when it comes seconds after it was sent. Memory may grow by what bounded queues and V8's heap take before it is
 * collected: a queue without a bound takes this under load within a minute, not within seconds.
 */
const bounds: Omit<Bounds, 'strikes' | 'baseline'> & { readonly lateMs: number } = {
  silenceMs: 250,
  recoveryMs: 10_000,
  lateMs: 3_000,
  memoryPeakBytes: 160 * MiB,
  memoryEndBytes: 96 * MiB,
}

/** Judges a record: the same record, the same verdict. */
export function judge(recorded: Recorded, { baseline, fault }: JudgeOptions = {}): Verdict {
  const history = new History(recorded)
  const strikes = fault?.strikes ?? []
  const findings = new Findings()
  const events = checkDurable(history, findings)
  const signals = checkRealtime(history, { lateMs: bounds.lateMs, strikes }, findings)
  const measures = measure(history, strikes)
  checkQuiet(recorded, findings)
  for (let n = 0; n < (recorded.auditLost ?? 0); n++)
    findings.add('nothing acknowledged is lost', 'the auditor has found that an event is missing')
  checkBounds(measures, { ...bounds, strikes, ...(baseline && { baseline }) }, recorded, findings)
  const excuse = (violation: Violation) => fault?.excuses?.[violation.invariant] !== undefined
  return {
    events,
    signals,
    measures,
    violations: findings.violations.filter(violation => !excuse(violation)),
    excused: findings.violations.filter(excuse),
  }
}
