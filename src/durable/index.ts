export { type AuditReport, auditNow } from './audit/audit-now.ts'
export { Auditor, type AuditorOptions, type AuditSink, auditWindow } from './audit/auditor.ts'
export type { Difference, LostEvent, MirrorMismatch, PartitionAudit } from './audit/types.ts'
export { type BackgroundLoop, leadingSession, startLoop } from './background-loop.ts'
export type { CursorFilter, CursorPage, ListedCursor } from './cursors/cursor-list.ts'
export { type CursorsOptions, createCursors } from './cursors/postgres-cursors.ts'
export type { Ack, CursorKey, CursorPlace, CursorState, Cursors } from './cursors/types.ts'
export { createDurableTier, type DurableTierOptions } from './durable-tier.ts'
export { type CheckpointWatch, type Reached, watchCheckpoints } from './groups/checkpoint-watch.ts'
export { NobodysFault } from './groups/failure.ts'
export type { GroupActor, GroupOperations } from './groups/group-operations.ts'
export type { GroupDetail, GroupMember, GroupPartition, GroupSummary, Lag } from './groups/group-report.ts'
export { createGroups, type GroupsOptions, type SystemGroups } from './groups/groups.ts'
export { done, type Outcome, park, retry } from './groups/outcome.ts'
export type {
  BatchHandler,
  Group,
  GroupOptions,
  GroupStatus,
  Groups,
  Handler,
  HandlerContext,
  HandlerEvent,
} from './groups/types.ts'
export type { JobOperations, JobTotals, RuleSummary } from './jobs/job-operations.ts'
export { createJobs } from './jobs/jobs.ts'
export type { NewSchedule, Schedule, ScheduleOptions } from './jobs/schedules/schedule.ts'
export type { Jobs, JobsOptions, JobsStatus } from './jobs/types.ts'
export { newWebhookSecret } from './jobs/webhooks/signature.ts'
export type { WebhookDeliverer, WebhookDelivererOptions } from './jobs/webhooks/webhook-deliverer.ts'
export { createWebhookDeliverer } from './jobs/webhooks/webhook-deliverer.ts'
export type { WebhookChange, WebhookOperations, WebhookStatus } from './jobs/webhooks/webhook-operations.ts'
export { tryWebhook, type WebhookTrial } from './jobs/webhooks/webhook-trial.ts'
export { AnsweringPool, type PoolUse } from './ledger/answering-pool.ts'
export { blamesPostgres, isAboutContent } from './ledger/postgres-error.ts'
export { createPostgresLedger, type PostgresLedgerOptions } from './ledger/postgres-ledger.ts'
export { type RetentionOptions, startRetention } from './ledger/retention.ts'
export type { Holder, NamespaceRetention } from './ledger/retention-status.ts'
export type { LogAccess, OpenTier } from './log-access.ts'
export { migrate, pendingMigrations } from './migrate.ts'
export type { MirrorOptions } from './mirror/partition-mirror.ts'
export { type CleaningOptions, startCleaning } from './operations/cleaning.ts'
export type { Changed } from './operations/decisions.ts'
export type { Delivery, ParkedFilter, Selection } from './operations/delivery.ts'
export type { DeliveryOperations } from './operations/delivery-operations.ts'
export type { Erased } from './operations/erasure-operations.ts'
export type { Act, ConsumerStory, EventStory } from './operations/event-story.ts'
export { type ForgettingOptions, forgetNow, startForgetting } from './operations/forgetting.ts'
export type { Inspection } from './operations/inspection.ts'
export { beginEpoch, type NewEpoch } from './operations/new-epoch.ts'
export { createOperations, type Operations } from './operations/operations.ts'
export type { ParkedPage, Preview } from './operations/parked.ts'
export type {
  OutboxOperations,
  OutboxStatus,
  RefusedRow,
  RefusedSelection,
} from './outbox/outbox-operations.ts'
export { type OutboxRelay, type OutboxRelayOptions, startOutboxRelay } from './outbox/outbox-relay.ts'
export type { DurableStatus, DurableSubscribe, DurableTier } from './tier.ts'
