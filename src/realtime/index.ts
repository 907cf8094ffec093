export { createRealtimeTier, type RealtimeTierOptions, type RealtimeTimings } from './realtime-tier.ts'
export type {
  Control,
  Presence,
  PresenceStats,
  RealtimeCounts,
  RealtimePublish,
  RealtimeSubscribe,
  RealtimeTier,
  Signal,
} from './tier.ts'
