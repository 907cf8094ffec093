/** All nodes as one: what they are, which channels they have, and commands to sessions on any of them. */
import { z } from 'zod'
import { HoldfastError } from '../../domain/index.ts'
import type { Logger } from '../../platform/index.ts'
import type { Control } from '../../realtime/index.ts'
import { type BreakerStatus, Breakers } from '../../resilience/index.ts'
import type { Router, Sessions } from '../types.ts'
import {
  type BreakerCommand,
  type BreakerSurvey,
  breakerCommand,
  carryOutOnBreaker,
  nodeBreakers,
} from './breaker-command.ts'
import { matchesGlob } from './glob.ts'
import { type CommandOutcome, carryOut, type SessionCommand, sessionCommand } from './session-command.ts'
import { Survey, type SurveyResult, type SurveyTimings } from './survey.ts'

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
  z.object({ kind: z.literal('breakers') }),
  z.object({ kind: z.literal('breaker'), from: z.string(), command: breakerCommand }),
  z.object({ kind: z.literal('topic'), topic: z.string(), body: z.unknown() }),
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
  readonly breakers?: Breakers
  /** What this node is to others besides a node, at this moment. */
  readonly traits?: () => readonly string[]
  readonly logger: Logger
  readonly timings?: Partial<SurveyTimings>
}

export interface Cluster {
  readonly node: NodeIdentity
  /** The ids of other nodes that were heard of lately; with a trait those that have said that they are this. */
  others(trait?: string): readonly string[]
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
  /** The breakers of this node, or of every node that answers within a second. */
  breakers(everywhere: boolean): Promise<BreakerSurvey>
  /**
   * Holds or releases a role's breaker on every node that can be reached, this one last: it may be the way to the
   * others that is held.
   * @throws HoldfastError NOT_AVAILABLE where no node has this role
   */
  actOnBreaker(command: BreakerCommand): Promise<BreakerSurvey>
  /** Answers questions about a topic, of this node and of others. Twice asked, it answers twice. */
  answerTo(topic: string, answer: (body: unknown) => Promise<unknown>): void
  /** Asks every node about a topic; of those that know it, the answers by node, of which this node's is the first. */
  ask(topic: string, body: unknown, withinMs?: number): Promise<TopicAnswers>
  close(): void
}

/** What nodes know about a topic. */
export interface TopicAnswers {
  readonly answers: ReadonlyMap<string, unknown>
  /** Nodes that were there lately and did not answer, or do not know the topic. */
  readonly silent: readonly string[]
}

export function createCluster(options: ClusterOptions): Cluster {
  const { node, router, sessions, breakers = new Breakers(options.logger) } = options
  const startedAt = performance.now()
  const topics = new Map<string, (body: unknown) => Promise<unknown>>()

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
      case 'breakers':
        return ownBreakers(breakers.list())
      case 'breaker':
        // The one who asks acts when the others have.
        if (parsed.from === node.id) return null
        return ownBreakers(carryOutOnBreaker(parsed.command, breakers))
      case 'topic':
        return (await topics.get(parsed.topic)?.(parsed.body)) ?? null
    }
  }

  function ownBreakers(list: readonly BreakerStatus[]) {
    return { uid: node.id, name: node.name, breakers: list }
  }

  /** Who said nothing that this version understands counts as silent, and who went without a goodbye. */
  function surveyed({ answers, silent, gone }: SurveyResult, mine: unknown): BreakerSurvey {
    const others = [...answers].filter(([id]) => id !== node.id)
    const understood = others.filter(([, said]) => nodeBreakers.safeParse(said).success)
    const deaf = others.filter(each => !understood.includes(each)).map(([id]) => id)
    const nodes = readable([mine, ...understood.map(([, said]) => said)], nodeBreakers)
    return { nodes, silent: [...silent, ...gone, ...deaf] }
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
    ...(options.traits ? { traits: options.traits } : {}),
    ...(options.timings ? { timings: options.timings } : {}),
  })
  const ask = (asked: z.output<typeof question>, withinMs?: number) => survey.ask(asked, withinMs)

  return {
    node,
    others: trait => survey.others(trait),

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

    async breakers(everywhere) {
      const mine = ownBreakers(breakers.list())
      if (!everywhere) return { nodes: readable([mine], nodeBreakers), silent: [] }
      return surveyed(await ask({ kind: 'breakers' }), mine)
    },

    async actOnBreaker(command) {
      const survey = await ask({ kind: 'breaker', from: node.id, command })
      const { nodes, silent } = surveyed(survey, ownBreakers(carryOutOnBreaker(command, breakers)))
      const acted = nodes.filter(each => each.breakers.length > 0)
      if (acted.length > 0) return { nodes: acted, silent }
      throw new HoldfastError('NOT_AVAILABLE', `no node that answers has a breaker ${command.role}`)
    },

    answerTo(topic, answers) {
      topics.set(topic, answers)
    },

    async ask(topic, body, withinMs) {
      const { answers, silent, gone } = await ask({ kind: 'topic', topic, body }, withinMs)
      const own = answers.get(node.id)
      const others = [...answers].filter(([id]) => id !== node.id)
      return {
        answers: new Map([[node.id, own] as const, ...others].filter(([, said]) => said !== null)),
        silent: [...silent, ...gone, ...others.filter(([, said]) => said === null).map(([id]) => id)],
      }
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
