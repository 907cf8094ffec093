import { setTimeout as delay } from 'node:timers/promises'
import type { Fault, NodeProcess, Running } from '../types.ts'

/** Longer than a worker that is not heard of keeps its partitions (`workers.leaseMs`). */
const longerThanLeaseMs = 7_000

const strikes = [1]

/** What happens to processes of the system itself. */
export const nodeFaults: readonly Fault[] = [
  {
    name: 'node-killed',
    about: 'a node is killed, and started again',
    strikes,
    async inject(_stage, { nodes: [, node] }) {
      await node?.kill()
      return async () => node?.startAgain()
    },
  },
  {
    name: 'node-stopped',
    about: 'a node is stopped as a deployment does it, and started again',
    strikes,
    async inject(_stage, { nodes: [, node] }) {
      await node?.stop()
      return async () => node?.startAgain()
    },
  },
  {
    name: 'node-frozen',
    about: 'a node stands still for longer than anybody waits for it, and goes on as if no time had passed',
    strikes,
    holdMs: longerThanLeaseMs,
    async inject(_stage, { nodes: [, node] }) {
      node?.pause()
      return async () => node?.goOn()
    },
  },
  {
    name: 'nodes-killed',
    about: 'all nodes are killed at once, and started again',
    strikes: [0, 1],
    async inject(_stage, { nodes }) {
      await Promise.all(nodes.map(node => node.kill()))
      return async () => {
        await Promise.all(nodes.map(node => node.startAgain()))
      }
    },
  },
  {
    name: 'worker-killed',
    about: 'workers are killed in turn, in the middle of what they do, each time started again',
    suits: system => system.parts.includes('workers'),
    async inject(_stage, running, random) {
      return repeat(random, running, async worker => {
        await worker.kill()
        await worker.startAgain()
      })
    },
  },
  {
    name: 'worker-frozen',
    about:
      'a worker stands still until another has its partitions, and goes on with what it was about to write',
    suits: system => system.parts.includes('workers'),
    holdMs: longerThanLeaseMs,
    async inject(_stage, { workers: [worker] }) {
      worker?.pause()
      return async () => worker?.goOn()
    },
  },
  {
    name: 'workers-killed',
    about: 'all workers are killed at once, and started again',
    suits: system => system.parts.includes('workers'),
    async inject(_stage, { workers }) {
      await Promise.all(workers.map(worker => worker.kill()))
      return async () => {
        await Promise.all(workers.map(worker => worker.startAgain()))
      }
    },
  },
]

/** Does it to one worker after the other until it is told to end; at least to one. */
async function repeat(
  random: () => number,
  { workers }: Running,
  act: (worker: NodeProcess) => Promise<void>,
): Promise<() => Promise<void>> {
  const ended = new AbortController()
  const going = (async () => {
    for (let i = 0; i === 0 || !ended.signal.aborted; i++) {
      const worker = workers[i % workers.length]
      if (worker) await act(worker)
      await delay(300 + 700 * random(), undefined, { signal: ended.signal }).catch(() => undefined)
    }
  })()
  // It is thrown where it is waited for.
  going.catch(() => undefined)
  return async () => {
    ended.abort()
    await going
  }
}
