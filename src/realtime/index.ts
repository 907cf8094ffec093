export type {
  Control,
  Presence,
  PresenceStats,
  RealtimePublish,
  RealtimeSubscribe,
  RealtimeTier,
  Signal,
} from './tier.ts'
