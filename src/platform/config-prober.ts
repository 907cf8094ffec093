import { z } from 'zod'

/** Canaries that publish and append all the time, and who looks whether what was acknowledged is there. */
export const proberConfig = z.strictObject({
  /** Left out: on in `holdfast serve`, off in applications that build on the library. */
  enabled: z.boolean().optional(),
  /** Rest between two probes of a tier. */
  intervalMs: z.int().min(50).max(60_000).default(5_000),
  /** What has not come back after so long counts as failed. */
  deadlineMs: z.int().min(50).max(60_000).default(5_000),
  /** How long one pass of the auditor over all partitions takes: its work is spread over this time. */
  auditIntervalMs: z.int().min(100).max(3_600_000).default(30_000),
})

export type ProberConfig = z.output<typeof proberConfig>

/** How long canaries' events are kept, by retention like any others. */
export const canarySeconds = 900
