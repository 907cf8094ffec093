export type { BreakerState, BreakerState as GuardState } from './breaker-states.ts'
export {
  type BreakerChange,
  type BreakerRole,
  type BreakerStatus,
  Breakers,
  breakerRoles,
} from './breakers.ts'
export type { Clock } from './clock.ts'
export { Guard } from './guard.ts'
export type { GuardOptions } from './guard-options.ts'
export { blamesRedis } from './redis-replies.ts'
export type { Tally } from './tally.ts'
