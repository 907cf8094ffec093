export type { DurableStatus, DurableSubscribe, DurableTier } from './tier.ts'
