export type {
  AuditSummary,
  ProbeFailure,
  ProbeOutcome,
  ProbePath,
  ProberStatus,
  ProbeSummary,
} from './types.ts'
export { probeFailures, probePaths } from './types.ts'
