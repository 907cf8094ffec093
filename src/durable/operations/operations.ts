import type { Sql } from '../../platform/index.ts'
import { type CursorOperations, cursorOperations } from '../cursors/cursor-operations.ts'
import { type GroupOperations, groupOperations } from '../groups/group-operations.ts'
import { type JobOperations, jobOperations } from '../jobs/job-operations.ts'
import { type WebhookOperations, webhookOperations } from '../jobs/webhooks/webhook-operations.ts'
import { type OutboxOperations, outboxOperations } from '../outbox/outbox-operations.ts'
import { type DeliveryOperations, deliveryOperations } from './delivery-operations.ts'
import { type ErasureOperations, erasureOperations } from './erasure-operations.ts'
import { type RetentionOperations, retentionOperations } from './retention-operations.ts'

/**
 * What an operator can see and do, over the API or the command line. All of it is Postgres alone, so it works while Redis
 * is away and no node runs.
 */
export interface Operations {
  readonly cursors: CursorOperations
  readonly groups: GroupOperations
  readonly deliveries: DeliveryOperations
  readonly erasure: ErasureOperations
  readonly retention: RetentionOperations
  readonly outbox: OutboxOperations
  readonly jobs: JobOperations
  readonly webhooks: WebhookOperations
}

export function createOperations(sql: Sql): Operations {
  return {
    cursors: cursorOperations(sql),
    groups: groupOperations(sql),
    deliveries: deliveryOperations(sql),
    erasure: erasureOperations(sql),
    retention: retentionOperations(sql),
    outbox: outboxOperations(sql),
    jobs: jobOperations(sql),
    webhooks: webhookOperations(sql),
  }
}
