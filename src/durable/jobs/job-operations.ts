import type { Sql } from '../../platform/index.ts'

// biome-ignore lint/suspicious/noEmptyInterface: its owner fills it
export interface JobOperations {}

export function jobOperations(_sql: Sql): JobOperations {
  return {}
}
