import type { Sql } from '../../platform/index.ts'

// biome-ignore lint/suspicious/noEmptyInterface: its owner fills it
export interface CursorOperations {}

export function cursorOperations(_sql: Sql): CursorOperations {
  return {}
}
