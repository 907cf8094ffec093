import { z } from 'zod'
import type { Cluster, SessionUse } from '../gateway/index.ts'
import type { Sampler } from './sampler.ts'
import type { Top } from './wire-now.ts'

/** Of one node's answer, and of what is shown. */
const mostNames = 100
const shown = 50
/** Beyond the sampling itself, for the way. */
const graceMs = 1_500

const topic = 'console.top'
const question = z.object({ seconds: z.number().min(1).max(10) })
const counted = z.array(z.tuple([z.string(), z.number()])).max(mostNames)
const answer = z.object({
  name: z.string(),
  seconds: z.number(),
  error: z.number(),
  channels: counted,
  users: counted,
  subscribers: z.array(z.tuple([z.string(), z.number()])),
  uses: z.array(
    z.object({
      user: z.string(),
      connections: z.number(),
      subscriptions: z.number(),
      mailboxBytes: z.number(),
    }),
  ),
})
type NodeTop = z.output<typeof answer>

export interface TopParts {
  readonly cluster: Cluster
  readonly nodeName: string
  readonly sampler: Sampler
  /** Channels with subscribers on this node. */
  readonly channels: () => ReadonlyMap<string, number>
  /** The users of this node's connections for whom most waits, or who have most. */
  readonly users: (most: number) => readonly SessionUse[]
}

/** Who is hit: asked of every node when somebody wants to know, and counted for a few seconds. */
export class TopSurvey {
  readonly #parts: TopParts

  constructor(parts: TopParts) {
    this.#parts = parts
    parts.cluster.answerTo(topic, async body => {
      const asked = question.safeParse(body)
      return asked.success ? this.#own(asked.data.seconds) : null
    })
  }

  async ask(seconds: number): Promise<Top> {
    const { answers, silent } = await this.#parts.cluster.ask(topic, { seconds }, seconds * 1_000 + graceMs)
    const nodes = [...answers.values()].flatMap(each => {
      const parsed = answer.safeParse(each)
      return parsed.success ? [parsed.data] : []
    })
    return {
      time: Date.now(),
      seconds,
      nodes: nodes.map(({ name }) => name).sort(),
      silent,
      channels: channelsOf(nodes),
      users: usersOf(nodes),
    }
  }

  async #own(seconds: number): Promise<NodeTop> {
    const { nodeName, sampler, channels, users } = this.#parts
    const sample = await sampler.take(seconds * 1_000)
    const subscribed = channels()
    const published = sample.channels.top(mostNames)
    const largest = [...subscribed].sort((a, b) => b[1] - a[1]).slice(0, mostNames)
    const wanted = new Set([...published.map(([name]) => name), ...largest.map(([name]) => name)])
    return {
      name: nodeName,
      seconds: sample.seconds,
      error: sample.channels.error,
      channels: published,
      users: sample.users.top(mostNames),
      subscribers: [...wanted].map(name => [name, subscribed.get(name) ?? 0]),
      uses: [...users(mostNames)],
    }
  }
}

function channelsOf(nodes: readonly NodeTop[]): Top['channels'] {
  const rows = new Map<string, { publications: number; subscribers: number }>()
  const row = (name: string) => {
    const known = rows.get(name) ?? { publications: 0, subscribers: 0 }
    rows.set(name, known)
    return known
  }
  for (const { channels, subscribers, seconds } of nodes) {
    for (const [name, count] of channels) row(name).publications += count / seconds
    for (const [name, count] of subscribers) row(name).subscribers += count
  }
  const error = round(nodes.reduce((sum, each) => sum + each.error / each.seconds, 0))
  return [...rows]
    .map(([channel, { publications, subscribers }]) => ({
      channel,
      subscribers,
      publications: round(publications),
      deliveries: round(publications * subscribers),
      error,
    }))
    .sort(
      (a, b) =>
        b.deliveries - a.deliveries || b.publications - a.publications || b.subscribers - a.subscribers,
    )
    .slice(0, shown)
}

function usersOf(nodes: readonly NodeTop[]): Top['users'] {
  const rows = new Map<string, Top['users'][number]>()
  const add = (user: string, more: Partial<Top['users'][number]>) => {
    const known = rows.get(user) ?? {
      user,
      connections: 0,
      subscriptions: 0,
      mailboxBytes: 0,
      publications: 0,
    }
    rows.set(user, {
      user,
      connections: known.connections + (more.connections ?? 0),
      subscriptions: known.subscriptions + (more.subscriptions ?? 0),
      mailboxBytes: known.mailboxBytes + (more.mailboxBytes ?? 0),
      publications: round(known.publications + (more.publications ?? 0)),
    })
  }
  for (const { users, uses, seconds } of nodes) {
    for (const [user, count] of users) add(user, { publications: count / seconds })
    for (const use of uses) add(use.user, use)
  }
  return [...rows.values()]
    .sort(
      (a, b) =>
        b.mailboxBytes - a.mailboxBytes || b.publications - a.publications || b.connections - a.connections,
    )
    .slice(0, shown)
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
