import { tcpProxy } from '../../support/tcp-proxy.ts'
import { until } from '../../support/until.ts'
import { token } from '../holdfast/config.ts'
import type { Fault, NodeProcess, System } from '../types.ts'
import { api } from './api.ts'
import { Bystanders } from './bystanders.ts'
import { herd } from './herd.ts'

/** Of a server that others would speak to in another way, this is not asked. */
const suits = (system: System) => system.name === 'holdfast'

const slowPerNode = 2
/** What the kernel takes for a socket that nobody reads, and the mailbox, fit in many times. */
const mostFlood = 64 * 1_048_576
const chunk = 'x'.repeat(32_768)
const halfOpen = 20
/** Longer than a ping and the wait for its answer, as `holdfast/config.ts` has them. */
const noticedWithinMs = 20_000

/** What clients do to nodes; others must not notice. */
export const clientFaults: readonly Fault[] = [
  {
    name: 'clients-stop-reading',
    about:
      'clients in a channel with much traffic stop reading: each is cut at its bound, and nobody else notices',
    suits,
    async inject(_stage, { nodes }) {
      await Promise.all(nodes.map((node, i) => floodUntilCut(node, `room:flood-${i}`)))
      return async () => undefined
    },
  },
  {
    name: 'clients-half-open',
    about: 'clients vanish without a word, as behind a dead line: their node notices, and forgets them',
    suits,
    holdMs: 1_000,
    async inject(_stage, { nodes: [node] }) {
      if (node?.port === undefined) return async () => undefined
      const channel = 'room:half-open'
      const line = await tcpProxy(`http://127.0.0.1:${node.port}`)
      const gone = await Bystanders.connect(line.port, halfOpen, await token('gone'), channel)
      line.swallow()
      return async () => {
        const still = async () => (await api(node, 'presence_stats', { channel }))['num_clients']
        await until('the node has noticed who is gone', async () => (await still()) === 0, noticedWithinMs)
        gone.destroy()
        await line.close()
      }
    },
  },
  {
    name: 'clients-come-back-at-once',
    about: 'three thousand clients come back at once, each with a gap of its own; what that reads is counted',
    suits,
    excuses: { 'no silence': 'the herd, the node and the checker share the processors' },
    inject: (stage, running) => herd(stage, running),
  },
]

/** @throws Error where one that does not read was not cut in time */
async function floodUntilCut(node: NodeProcess, channel: string): Promise<void> {
  const slow = await Bystanders.connect(node.port ?? 0, slowPerNode, await token('slow'), channel)
  for (const each of slow.sockets) each.socket.pause()
  const left = async () => (await api(node, 'presence_stats', { channel }))['num_clients'] as number
  for (let sent = 0; sent < mostFlood; sent += chunk.length * 16) {
    await Promise.all(
      Array.from({ length: 16 }, () => api(node, 'publish', { channel, data: { text: chunk } })),
    )
    if ((await left()) > 0) continue
    slow.destroy()
    return
  }
  throw new Error(
    `${await left()} of ${slowPerNode} that do not read are still there after ${mostFlood} bytes`,
  )
}
