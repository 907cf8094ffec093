import { z } from 'zod'

/** What becomes of events outside of Holdfast, and what happens by the clock. */
export const jobsConfig = z.strictObject({
  /** How long rows of ended deliveries are kept. */
  keepSeconds: z
    .int()
    .min(60)
    .default(30 * 86_400),
})
