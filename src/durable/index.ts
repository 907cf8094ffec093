export { createDurableTier, type DurableTierOptions } from './durable-tier.ts'
export type { MirrorOptions } from './mirror/partition-mirror.ts'
export type { DurableStatus, DurableSubscribe, DurableTier } from './tier.ts'
