import { z } from 'zod'
import type { Mark, RateCounts } from './wire-common.ts'
import type { NodeSheet } from './wire-now.ts'

const count = z.number()
const time = z.number()
const text = z.string()
/** Of one sheet: what a node of another release may say at most. */
const some = <T extends z.ZodType>(each: T) => z.array(each).max(200)

/** A sheet as another node, perhaps of another release, has sent it: what this one does not know is left out. */
export const nodeSheet: z.ZodType<NodeSheet> = z.object({
  id: text,
  name: text,
  version: text,
  runtime: text,
  role: text,
  startedAt: time,
  time,
  everySeconds: count,
  // Pages make links of it, and a release before knows none.
  url: z
    .url({ protocol: /^https?$/ })
    .max(500)
    .nullable()
    .catch(null),
  config: text,
  health: z.enum(['ready', 'degraded', 'unavailable']),
  advice: text.nullable(),
  draining: z.boolean(),
  parts: z.object({ bus: text, mirror: text, ledger: text, epoch: text }),
  connections: count,
  channels: count,
  mailbox: z.object({ bytes: count, largest: count }),
  eventLoopLag: count,
  mirrorLag: z.object({ events: count, seconds: count }).nullable(),
  memory: count,
  shedding: some(text),
  breakers: some(
    z.object({
      role: text,
      state: z.enum(['passing', 'rejecting', 'probing']),
      since: time,
      reason: text,
      heldBy: text.nullable(),
      changes: count,
    }),
  ),
  perSecond: z.record(text, count) as unknown as z.ZodType<RateCounts>,
  disconnects: z.record(text, count),
  probes: some(
    z.object({
      tier: z.enum(['realtime', 'durable']).nullable(),
      path: text,
      succeeded: count,
      failed: count,
      degraded: count,
      latencyMs: count.nullable(),
      at: time.nullable(),
      reason: text.nullable(),
    }),
  ),
  audit: z
    .object({
      lost: count,
      checked: count,
      mismatches: z.record(text, count),
      completedAt: time.nullable(),
      wholeFrom: time.nullable(),
      everySeconds: count,
      running: z.boolean(),
    })
    .nullable(),
  readOnly: some(text),
})

const kinds = [
  ...(['node_started', 'node_stopped', 'config_changed', 'version_changed', 'breaker', 'epoch'] as const),
  ...(['ledger_server', 'ledger_state', 'projection_switched', 'act', 'audit'] as const),
] as const satisfies readonly Mark['kind'][]

export const mark: z.ZodType<Mark> = z.object({
  id: text.max(200),
  time,
  kind: z.enum(kinds),
  node: text.nullable(),
  says: text.max(1_000),
  details: z.record(text, z.union([text, count, z.boolean(), z.null()])),
})
