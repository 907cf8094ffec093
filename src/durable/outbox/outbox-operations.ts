import type { Sql } from '../../platform/index.ts'

// biome-ignore lint/suspicious/noEmptyInterface: its owner fills it
export interface OutboxOperations {}

export function outboxOperations(_sql: Sql): OutboxOperations {
  return {}
}
