import type { Centrifuge } from 'centrifuge'
import { expect } from 'vitest'
import type { Node } from './cluster.ts'
import { connect, subscribe } from './sdk.ts'
import { until } from './until.ts'

interface Said {
  /** The publisher's connection: order is promised within one. */
  readonly by: string
  readonly n: number
}

export interface Crowd {
  readonly clients: readonly Centrifuge[]
  /** The codes with which each client's connections were ended. */
  readonly endings: readonly (readonly number[])[]
  /** Waits until so many further publications of the crowd were acknowledged. */
  further(count: number): Promise<void>
  /**
   * Stops talking. Then all hear each other, nobody has heard anything twice or in another order than it was said, and
   * any node asked tells exactly these connections to be present.
   */
  finish(nodes: readonly Node[]): Promise<void>
  close(): void
}

/** Official SDKs in one room with presence, all talking all the time, each by way of one of the addresses. */
export async function startCrowd(urls: readonly string[], room: string, size: number): Promise<Crowd> {
  const numbers = Array.from({ length: size }, (_, i) => i)
  const clients = await Promise.all(numbers.map(i => connect(urls[i % urls.length] ?? '', `crowd-${i}`)))
  const rooms = await Promise.all(clients.map(client => subscribe(client, room)))
  const endings = clients.map(client => {
    const codes: number[] = []
    client.on('connecting', ({ code }) => codes.push(code))
    return codes
  })
  let said = 0
  let running = true
  const talking = clients.map(async client => {
    for (let n = 0; running; n++) {
      await client.ready(20_000)
      const published = client.publish(room, { by: idOf(client), n } satisfies Said)
      await published.then(
        () => said++,
        () => undefined,
      )
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  })

  return {
    clients,
    endings,
    async further(count) {
      const goal = said + count
      await until(`${count} further publications`, () => said >= goal, 30_000)
    },
    async finish(nodes) {
      running = false
      await Promise.all(talking)
      await until('everyone is connected', () => clients.every(client => client.state === 'connected'))
      await Promise.all(rooms.map(({ subscription }) => subscription.ready(10_000)))
      let round = 0
      // A signal that a bus out of breath has dropped does not come: another one does.
      await until('all hear each other', async () => {
        round++
        const lasts = numbers.map(i => `all hear ${i}, ${round}`)
        for (const [i, client] of clients.entries()) await client.publish(room, lasts[i])
        const heard = () => rooms.every(each => lasts.every(last => each.data().includes(last)))
        return await until('all hear this round', heard, 3_000).catch(() => false)
      })
      for (const each of rooms) {
        const heard = each.data()
        const texts = heard.filter(data => typeof data === 'string')
        expect(texts).toEqual([...new Set(texts)])
        const lastOf = new Map<string, number>()
        for (const { by, n } of heard.filter(data => typeof data === 'object') as Said[]) {
          expect(n).toBeGreaterThan(lastOf.get(by) ?? -1)
          lastOf.set(by, n)
        }
      }
      for (const node of nodes) {
        const everyone = clients.map(idOf).sort()
        let present: string[] = []
        const told = async () => {
          const answer = await node.api<{ presence: object }>('presence', { channel: room })
          present = Object.keys(answer.presence).sort()
          return present.join() === everyone.join()
        }
        // A node that has just waited for Redis in vain tells for a while whom it has itself.
        await until(`${node.name} tells everyone to be present`, told).catch(() => undefined)
        expect(present).toEqual(everyone)
      }
    },
    close() {
      running = false
      for (const client of clients) client.disconnect()
    },
  }
}

function idOf(client: Centrifuge): string {
  return (client as unknown as { _client: string })._client
}
