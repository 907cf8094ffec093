import { z } from 'zod'

const share = z.number().min(0).max(1)

export const telemetryConfig = z.strictObject({
  /** The share of messages that are traced where spans are sent anywhere, by tier. Decided once, where a message begins. */
  sampling: z.strictObject({ realtime: share.default(0.01), durable: share.default(0.1) }).prefault({}),
})
