import type { Centrifuge } from 'centrifuge'
import { expect } from 'vitest'
import type { Node } from './cluster.ts'
import { connect } from './sdk.ts'
import { until } from './until.ts'

/** Over enough of a Cluster's shards that every master has some. */
const rooms = Array.from({ length: 12 }, (_, n) => `room:${n}`)
const recents = Array.from({ length: 6 }, (_, n) => `recent:${n}`)
const everyMs = 20
/** A machine that runs other tests beside this takes its time. */
const patienceMs = 40_000

interface Heard {
  readonly room: string
  readonly from: number
  readonly by: number
  readonly numbers: number[]
}

/** Numbered signals in many rooms from and to all nodes, and presence, without end. */
export interface Rooms {
  /** Waits until signals of now reach every node in every room, and presence shows everyone everywhere. */
  flow(what: string): Promise<void>
  /** Ends it. On its own node everything was heard; everywhere in order, and nothing twice. */
  finish(): Promise<void>
  close(): void
}

export async function startRooms(nodes: readonly Node[]): Promise<Rooms> {
  const clients = await Promise.all(nodes.map((node, n) => connect(node.url, `rooms-${n}`)))
  const heard: Heard[] = []
  const recent = new Map<string, number>()
  const sent = new Map<string, number>()
  for (const [by, client] of clients.entries()) {
    for (const room of rooms) {
      const from = clients.map((_, n) => ({ room, from: n, by, numbers: [] as number[] }))
      heard.push(...from)
      await follow(client, room, ({ node, n }) => from[node]?.numbers.push(n))
    }
    for (const channel of recents) await follow(client, channel, ({ n }) => recent.set(`${by} ${channel}`, n))
  }
  let last = 0
  const publish = () => {
    last++
    for (const [node, client] of clients.entries()) {
      const room = rooms[last % rooms.length] ?? ''
      sent.set(`${node} ${room}`, last)
      client.publish(room, { node, n: last }).catch(() => undefined)
    }
    // Numbered by Redis, which may refuse it for the moment.
    const channel = recents[last % recents.length] ?? ''
    clients[last % clients.length]?.publish(channel, { node: 0, n: last }).catch(() => undefined)
  }
  const timer = setInterval(publish, everyMs)

  return {
    async flow(what) {
      const since = last
      const late = () => heard.filter(({ numbers }) => (numbers.at(-1) ?? 0) <= since)
      await until(`signals flow between all nodes ${what}`, () => late().length === 0, patienceMs).catch(
        error => {
          const who = late().map(({ room, from, by }) => `${room} of ${from} at ${by}`)
          throw new Error(`${error.message}; missing: ${who.join(', ')}`)
        },
      )
      const behind = () =>
        clients.flatMap((_, by) => recents.filter(each => (recent.get(`${by} ${each}`) ?? 0) <= since))
      await until(`numbered publications flow ${what}`, () => behind().length === 0, patienceMs).catch(
        error => {
          throw new Error(`${error.message}; missing: ${behind().join(', ')}`)
        },
      )
      const everyone = clients.map((_, n) => `rooms-${n}`)
      for (const room of rooms)
        await until(
          `all nodes see everyone in ${room} ${what}`,
          async () => {
            const lists = await Promise.all(clients.map(client => client.presence(room)))
            return lists.every(({ clients: all }) => {
              const users = Object.values(all).map(({ user }) => user)
              return users.toSorted().join() === everyone.join()
            })
          },
          patienceMs,
        )
    },
    async finish() {
      clearInterval(timer)
      const own = heard.filter(({ from, by }) => from === by)
      await until('every node has heard itself', () =>
        own.every(({ room, from, numbers }) => numbers.at(-1) === sent.get(`${from} ${room}`)),
      )
      for (const { room, from, by, numbers } of heard) {
        const label = `${room} of node ${from} at node ${by}`
        expect([label, numbers]).toEqual([label, [...new Set(numbers)].toSorted((a, b) => a - b)])
      }
      for (const { room, from, numbers } of own) {
        const offset = rooms.indexOf(room)
        const all = Array.from({ length: last }, (_, i) => i + 1).filter(n => n % rooms.length === offset)
        expect([room, from, numbers]).toEqual([room, from, all])
      }
    },
    close() {
      clearInterval(timer)
      for (const client of clients) client.disconnect()
    },
  }
}

async function follow(
  client: Centrifuge,
  channel: string,
  hear: (data: { node: number; n: number }) => void,
): Promise<void> {
  const subscription = client.newSubscription(channel, {
    minResubscribeDelay: 20,
    maxResubscribeDelay: 300,
  })
  subscription.on('publication', ({ data }) => hear(data))
  subscription.on('error', () => undefined)
  subscription.subscribe()
  await subscription.ready(10_000)
}
