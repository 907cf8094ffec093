export { AuditTally, type Checked, type Mismatch } from './audit-tally.ts'
export { CanaryAudit, type CanaryAuditOptions } from './canary-audit.ts'
export type { BusView } from './flights.ts'
export { CanaryPass } from './pass.ts'
export { canaryChannel } from './places.ts'
export { Prober, type ProberOptions } from './prober.ts'
export { CanaryRecord } from './record.ts'
export { type Subject, Tallies } from './tallies.ts'
export {
  type AuditSummary,
  type ProbeFailure,
  type ProbeOutcome,
  type ProbePath,
  type ProberStatus,
  type ProbeSummary,
  probeFailures,
  probePaths,
} from './types.ts'
