import { setTimeout as delay } from 'node:timers/promises'
import postgres from 'postgres'
import { expect } from 'vitest'
import { type Client, createClient } from '../../src/client/index.ts'
import type { Node } from './cluster.ts'
import { connect, dense, token } from './sdk.ts'
import { until } from './until.ts'

/** A subscriber of one channel, with everything it was handed, in that order. */
interface Witness {
  readonly name: string
  readonly channel: string
  readonly seen: { readonly offset: number; readonly id: string }[]
  /** What it was told to be lost. Nothing is: troubles pass. */
  readonly losses: unknown[]
}

export interface Traffic {
  /** How many appends have been acknowledged. */
  readonly size: number
  /** Waits until so many further appends are acknowledged. */
  further(count: number): Promise<void>
  /** Lets the SDK and our client watch all channels on one more node, from the start. */
  watch(node: Node): Promise<void>
  /**
   * Waits until every witness has been handed everything acknowledged so far. The writers rest meanwhile, so that
   * what was missed is not noticed by the event after it.
   */
  allSeen(what: string): Promise<void>
  /**
   * Stops the writers and waits for what they have under way. Then every append must be in Postgres once, under the
   * offset that was acknowledged, and every witness must have seen exactly that from 1 on, in order, without a hole
   * or a duplicate, and without having been told of a loss.
   */
  finish(databaseUrl: string): Promise<void>
  close(): void
}

/**
 * Steady appends through our client, over all nodes and to shared channels, under the eyes of two witnesses for each
 * node and channel: the official SDK, and our client, which goes to another node when one fails it. `paceMs` is how long a
 * writer rests after each append.
 */
export async function startTraffic(
  nodes: readonly Node[],
  { channels, writers, paceMs = 0 }: { channels: readonly string[]; writers: number; paceMs?: number },
): Promise<Traffic> {
  const ends: (() => void)[] = []
  const witnesses: Witness[] = []
  const open = async (user: string, first: Node | undefined): Promise<Client> => {
    const others = nodes.filter(node => node !== first)
    const client = createClient(
      [...(first ? [first] : []), ...others].map(({ url }) => url),
      {
        token: await token(user),
        reconnectDelayMs: { min: 20, max: 200 },
        onError: () => undefined,
      },
    )
    ends.push(() => client.disconnect())
    await client.connect()
    return client
  }

  const watch = async (node: Node): Promise<void> => {
    const sdk = await connect(node.url, `sdk-${node.name}`)
    ends.push(() => sdk.disconnect())
    const client = await open(`reader-${node.name}`, node)
    for (const channel of channels) {
      const plain: Witness = { name: `SDK on ${node.name}`, channel, seen: [], losses: [] }
      const subscription = sdk.newSubscription(channel, { since: { offset: 0, epoch: '' } })
      subscription.on('publication', ({ offset = 0, tags }) =>
        plain.seen.push({ offset, id: tags?.['id'] ?? '' }),
      )
      subscription.on('subscribed', context => {
        if (context.wasRecovering && !context.recovered) plain.losses.push(context)
      })
      subscription.on('error', () => undefined)
      subscription.subscribe()
      const ours: Witness = { name: `client on ${node.name}`, channel, seen: [], losses: [] }
      client.channel(channel).subscribe({
        since: 'start',
        onEvent: ({ offset = 0, id = '' }) => ours.seen.push({ offset, id }),
        onReset: reset => ours.losses.push(reset),
      })
      witnesses.push(plain, ours)
    }
  }
  for (const node of nodes) await watch(node)

  const acknowledged: string[] = []
  const heads = new Map<string, number>()
  let running = true
  let rest: Promise<void> | undefined
  const write = async (client: Client, n: number): Promise<void> => {
    for (let i = 0; running; i++) {
      await rest
      if (paceMs > 0) await delay(paceMs)
      const channel = channels[(n + i) % channels.length] ?? ''
      const { id, offset } = await client.channel(channel).append('Counted', { n, i })
      acknowledged.push(`${channel} ${offset} ${id}`)
      heads.set(channel, Math.max(heads.get(channel) ?? 0, offset))
    }
  }
  const clients = await Promise.all(
    Array.from({ length: writers }, (_, n) => open(`writer-${n}`, nodes[n % nodes.length])),
  )
  const writing = Promise.all(clients.map(write))
  writing.catch(() => undefined)

  return {
    get size() {
      return acknowledged.length
    },
    async further(count) {
      const goal = acknowledged.length + count
      await until(`${count} further appends are acknowledged`, () => acknowledged.length >= goal, 20_000)
    },
    watch,
    async allSeen(what) {
      const { promise, resolve } = Promise.withResolvers<void>()
      rest = promise
      const goals = new Map(heads)
      const late = () =>
        witnesses.filter(({ channel, seen }) => (seen.at(-1)?.offset ?? 0) < (goals.get(channel) ?? 0))
      await until(`all have seen everything ${what}`, () => late().length === 0).catch((error: Error) => {
        const states = late().map(
          ({ name, channel, seen }) =>
            `${name} is at ${seen.at(-1)?.offset} of ${channel}, not ${goals.get(channel)}`,
        )
        throw new Error([error.message, ...states.slice(0, 9)].join('\n'))
      })
      rest = undefined
      resolve()
    },
    async finish(databaseUrl) {
      running = false
      await writing
      const sql = postgres(databaseUrl, { max: 1 })
      const rows = await sql<{ id: string; channel: string; offset: number }[]>`
        select id::text, channel, "offset"::int as "offset" from holdfast.events
        where channel = any (${[...channels]}) order by channel, "offset"`
      await sql.end()
      const stored = rows.map(({ channel, offset, id }) => `${channel} ${offset} ${id}`)
      expect(acknowledged.toSorted()).toEqual(stored.toSorted())
      for (const { name, channel, seen, losses } of witnesses) {
        const events = rows.filter(row => row.channel === channel)
        expect(events.map(({ offset }) => offset)).toEqual(dense(events.length))
        await until(`the ${name} has all of ${channel}`, () => seen.length >= events.length)
        expect([name, losses]).toEqual([name, []])
        expect([name, seen]).toEqual([name, events.map(({ offset, id }) => ({ offset, id }))])
      }
    },
    close() {
      for (const end of ends) end()
    },
  }
}
