/** All nodes as one: what they are, which channels they have, and commands to sessions on any of them. */
import { z } from 'zod'
import { HoldfastError } from '../../domain/index.ts'
import type { Logger } from '../../platform/index.ts'
import type { Control } from '../../realtime/index.ts'
import type { Router, Sessions } from '../types.ts'
import { matchesGlob } from './glob.ts'
import { type CommandOutcome, carryOut, type SessionCommand, sessionCommand } from './session-command.ts'
import { Survey, type SurveyTimings } from './survey.ts'

export interface NodeIdentity {
  /** Unique among all nodes and all their lives. */
  readonly id: string
  readonly name: string
  readonly version: string
}

const question = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('info') }),
  z.object({ kind: z.literal('channels'), pattern: z.string() }),
  z.object({ kind: z.literal('command'), command: sessionCommand }),
])

const nodeInfo = z.object({
  uid: z.string(),
  name: z.string(),
  version: z.string(),
  num_clients: z.number(),
  num_users: z.number(),
  num_channels: z.number(),
  num_subs: z.number(),
  /** Seconds. */
  uptime: z.number(),
})
export type NodeInfo = z.output<typeof nodeInfo>

const channelCounts = z.record(z.string(), z.number())
const commandOutcome = z.object({ sessions: z.number(), failed: z.string().optional() })

export interface ClusterOptions {
  readonly node: NodeIdentity
  readonly control: Control
  readonly sessions: Sessions
  readonly router: Pick<Router, 'channels'>
  readonly logger: Logger
  readonly timings?: Partial<SurveyTimings>
}

export interface Cluster {
  readonly node: NodeIdentity
  /** This node and every other one that answers within a second. */
  info(): Promise<readonly NodeInfo[]>
  /** Channels with subscribers that match, and how many they have on the nodes that answer within a second. */
  channels(pattern: string): Promise<ReadonlyMap<string, number>>
  /**
   * Carries a command out on the sessions it names, on whichever node they are, and resolves when the nodes have
   * done so. What could be done has been done when it fails; repeating it does no harm.
   * @throws HoldfastError DEPENDENCY_TIMEOUT when a node that was there lately did not confirm;
   *   what `SessionHandle.subscribe` throws
   */
  act(command: SessionCommand): Promise<{ sessions: number }>
  close(): void
}

export function createCluster(options: ClusterOptions): Cluster {
  const { node, router, sessions } = options
  const startedAt = performance.now()

  async function answer(asked: unknown): Promise<unknown> {
    const { data: parsed } = question.safeParse(asked)
    // A newer node asks: that it is not understood is an answer too, and spares it the wait for one.
    if (!parsed) return null
    switch (parsed.kind) {
      case 'info':
        return ownInfo()
      case 'channels':
        return Object.fromEntries(
          [...router.channels()].filter(([name]) => matchesGlob(parsed.pattern, name)),
        )
      case 'command':
        return carryOut(parsed.command, sessions)
    }
  }

  function ownInfo(): NodeInfo {
    const channels = router.channels()
    return {
      uid: node.id,
      name: node.name,
      version: node.version,
      num_clients: sessions.size,
      num_users: sessions.userCount(),
      num_channels: channels.size,
      num_subs: [...channels.values()].reduce((sum, subscribers) => sum + subscribers, 0),
      uptime: Math.floor((performance.now() - startedAt) / 1000),
    }
  }

  const survey = new Survey({
    node: node.id,
    control: options.control,
    logger: options.logger,
    answer,
    ...(options.timings ? { timings: options.timings } : {}),
  })
  const ask = (asked: z.output<typeof question>) => survey.ask(asked)

  return {
    node,

    async info() {
      return readable((await ask({ kind: 'info' })).answers.values(), nodeInfo)
    },

    async channels(pattern) {
      const { answers } = await ask({ kind: 'channels', pattern })
      const sums = new Map<string, number>()
      for (const counts of readable(answers.values(), channelCounts)) {
        for (const [name, count] of Object.entries(counts)) sums.set(name, (sums.get(name) ?? 0) + count)
      }
      return sums
    },

    async act(command) {
      const { answers, silent } = await ask({ kind: 'command', command })
      const outcomes = readable(answers.values(), commandOutcome) as CommandOutcome[]
      const failed = outcomes.find(outcome => outcome.failed !== undefined)?.failed
      if (failed) throw new HoldfastError(failed, `${command.act} failed for one of the sessions`)
      const unsure = answers.size - outcomes.length + silent.length
      if (unsure > 0) {
        throw new HoldfastError(
          'DEPENDENCY_TIMEOUT',
          `${command.act}: ${unsure} of ${answers.size + silent.length} nodes did not confirm`,
          { details: { silent } },
        )
      }
      return { sessions: outcomes.reduce((sum, outcome) => sum + outcome.sessions, 0) }
    },

    close: () => survey.close(),
  }
}

/** Answers in a shape that this version does not know are left out. */
function readable<T>(answers: Iterable<unknown>, schema: z.ZodType<T>): T[] {
  return [...answers].flatMap(each => {
    const result = schema.safeParse(each)
    return result.success ? [result.data] : []
  })
}
