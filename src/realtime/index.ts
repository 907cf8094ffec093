export { createRealtimeTier, type RealtimeTierOptions, type RealtimeTimings } from './realtime-tier.ts'
export type {
  Control,
  Presence,
  PresenceStats,
  RealtimePublish,
  RealtimeSubscribe,
  RealtimeTier,
  Signal,
} from './tier.ts'
