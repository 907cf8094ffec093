import { z } from 'zod'

const text = z.string().min(1).max(500)
const seconds = z.number().min(0).max(10_000_000_000)

/** Which parked deliveries, as a page asks for them. */
export const parkedFilter = z.strictObject({
  consumer: text.optional(),
  channel: text.optional(),
  namespace: text.optional(),
  type: text.optional(),
  reason: text.optional(),
  olderThanSeconds: seconds.optional(),
  newerThanSeconds: seconds.optional(),
})

/** By id, or all that match. */
export const selection = z.union([
  z.strictObject({ ids: z.array(z.int().min(1)).min(1).max(10_000) }),
  z.strictObject({ filter: parkedFilter }),
])
