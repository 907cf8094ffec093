import type { Sql } from '../../platform/index.ts'

// biome-ignore lint/suspicious/noEmptyInterface: its owner fills it
export interface DeliveryOperations {}

export function deliveryOperations(_sql: Sql): DeliveryOperations {
  return {}
}
