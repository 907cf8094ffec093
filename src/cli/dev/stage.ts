/** What the nodes of `holdfast dev` are told of each other and of the process that has started them. */
import { z } from 'zod'
import type { Holdfast } from '../../app/index.ts'
import { HoldfastError } from '../../domain/index.ts'

/** The environment variable that carries it, as JSON. */
export const stageVariable = 'HOLDFAST_DEV_STAGE'

const stageSchema = z.object({
  /** Where a browser finds each node. */
  nodes: z.array(z.url()),
  /** Whether Redis was started by `holdfast dev`, which then may stop it. */
  ownRedis: z.boolean(),
})
export type Stage = z.infer<typeof stageSchema>

/** What a node asks of the process that has started it. */
export const stopRedis = { holdfast: 'stop-redis' } as const

export function asksToStopRedis(message: unknown): boolean {
  return (message as { holdfast?: unknown } | null)?.holdfast === stopRedis.holdfast
}

/** How long Redis is away when somebody asks for that. */
export const redisAwayMs = 10_000

/**
 * Answers the two questions of the meeting room that are about this machine: `demo.stage`, and `demo.stop_redis`. The
 * connection they come over was let in by its origin as every other; there is no further port.
 */
export function addStage(hf: Holdfast, env: NodeJS.ProcessEnv, ask = process.send?.bind(process)): void {
  const text = env[stageVariable]
  if (text === undefined) return
  const stage = stageSchema.parse(JSON.parse(text))
  const canStopRedis = stage.ownRedis && ask !== undefined
  hf.rpc('demo.stage', () => ({ nodes: stage.nodes, canStopRedis }))
  hf.rpc('demo.stop_redis', () => {
    if (!canStopRedis) throw new HoldfastError('NOT_AVAILABLE', 'this Redis is not ours to stop')
    ask(stopRedis)
    return { awayMs: redisAwayMs }
  })
}
