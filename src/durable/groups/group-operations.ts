import type { Sql } from '../../platform/index.ts'

// biome-ignore lint/suspicious/noEmptyInterface: its owner fills it
export interface GroupOperations {}

export function groupOperations(_sql: Sql): GroupOperations {
  return {}
}
