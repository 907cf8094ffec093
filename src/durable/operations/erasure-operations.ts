import type { Sql } from '../../platform/index.ts'

// biome-ignore lint/suspicious/noEmptyInterface: its owner fills it
export interface ErasureOperations {}

export function erasureOperations(_sql: Sql): ErasureOperations {
  return {}
}
