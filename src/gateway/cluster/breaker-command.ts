/** Breakers of all nodes: looked at, held and released. */
import { z } from 'zod'
import { asHoldfastError } from '../../domain/index.ts'
import { type BreakerStatus, type Breakers, breakerRoles } from '../../resilience/index.ts'

const role = z.enum(breakerRoles)
const by = z.string()
export const breakerCommand = z.discriminatedUnion('act', [
  z.object({ act: z.literal('hold'), role, as: z.enum(['passing', 'rejecting']), by }),
  z.object({ act: z.literal('release'), role, by }),
])
export type BreakerCommand = z.output<typeof breakerCommand>

const count = z.number()
export const nodeBreakers = z.object({
  uid: z.string(),
  name: z.string(),
  breakers: z.array(
    z.object({
      role,
      state: z.enum(['passing', 'rejecting', 'probing']),
      since: z.number(),
      reason: z.string(),
      heldBy: z.string().optional(),
      counts: z.object({
        rejected: count,
        failed: count,
        slow: count,
        missed: count,
        probes: z.object({ succeeded: count, failed: count }),
        changes: z.object({ passing: count, rejecting: count, probing: count }),
      }),
    }),
  ),
})
/** One node's breakers; of a command, the one that it was carried out on, or none where the node has no such role. */
export type NodeBreakers = z.output<typeof nodeBreakers>

export interface BreakerSurvey {
  /** The node that was asked first. */
  readonly nodes: readonly NodeBreakers[]
  /** Nodes that were there lately and did not answer, or run a release that has no breakers. */
  readonly silent: readonly string[]
}

/** Repeating a command changes nothing more. */
export function carryOutOnBreaker(command: BreakerCommand, breakers: Breakers): BreakerStatus[] {
  try {
    return command.act === 'hold'
      ? [breakers.hold(command.role, command.as, command.by)]
      : [breakers.release(command.role, command.by)]
  } catch (error) {
    if (asHoldfastError(error).code === 'NOT_AVAILABLE') return []
    throw error
  }
}
