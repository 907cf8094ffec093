import type { BareHandlers } from '../baselines/bare-server.ts'
import type { StepResult } from '../load/fan-out.ts'
import { median } from '../load/latencies.ts'
import { lower, type Row } from '../report/rows.ts'
import type { Stage } from '../stage/stage.ts'
import { type Contestant, open, serverUs, step } from './contestants.ts'
import type { PartDefinition } from './part.ts'

const shape = { rooms: 1, perRoom: 500, sampleEvery: 20 }
const rounds = 3
const loads = [
  { key: 'alone', what: 'one message per turn', rate: 50, together: 1, goal: 1 / 1.2, atMost: undefined },
  { key: 'together', what: 'ten messages per turn', rate: 500, together: 10, goal: undefined, atMost: 0.4 },
] as const

/** What a delivery costs on one node, beside a server that only writes the same bytes. */
export const turn: PartDefinition = {
  name: 'turn',
  title: 'One node, 500 local subscribers, beside a bare TCP server that writes the same bytes',
  async measure({ stage, seconds, say }) {
    const contestants = await Promise.all([oneNode(stage), bareServer(stage)])
    for (const contestant of contestants) await open(contestant, shape)
    const stopSpinners = await stage.spinners()
    const rows: Row[] = []
    const details: Record<string, StepResult[][]> = {}
    for (const { key, what, rate, together, goal, atMost } of loads) {
      const results: StepResult[][] = [[], []]
      for (let round = 0; round < rounds; round++) {
        for (const [i, contestant] of contestants.entries()) {
          say(`turn: ${contestant.name}, ${what}, round ${round + 1} of ${rounds}`)
          const warmSeconds = round === 0 ? 1 : 0.3
          results[i]?.push(await step(contestant, { rate, seconds, warmSeconds, together }))
        }
      }
      details[key] = results
      const [ours, theirs] = results.map(all => middle(all.map(serverUs)))
      const value = lower(ours, theirs)
      rows.push({
        what: `server CPU per delivery, ${what}`,
        unit: 'µs',
        holdfast: ours,
        others: { bare: theirs, 'load side': middle(results[0]?.map(result => result.loadUs) ?? []) },
        ratio: {
          key: `turn.${key}`,
          to: 'bare',
          value,
          judged: true,
          ...(goal === undefined ? {} : { goal }),
        },
        ...(atMost === undefined ? {} : { goal: { atMost } }),
      })
      rows.push({
        what: `local latency p50, ${what}`,
        unit: 'ms',
        holdfast: middle(results[0]?.map(result => result.local.p50) ?? []),
        others: { bare: middle(results[1]?.map(result => result.local.p50) ?? []) },
      })
    }
    await stopSpinners()
    for (const contestant of contestants) await contestant.load.stop()
    return { rows, details, notes: [] }
  },
}

async function oneNode(stage: Stage): Promise<Contestant> {
  const [node] = await stage.nodes(1)
  if (!node) throw new Error('no node')
  return {
    name: 'holdfast',
    ports: [node.port],
    pids: { node: node.pid },
    load: await stage.remote('load/fan-out.ts'),
  }
}

async function bareServer(stage: Stage): Promise<Contestant> {
  const server = await stage.remote<BareHandlers>('baselines/bare-server.ts')
  const port = await server.call('start', undefined)
  return {
    name: 'bare',
    ports: [port],
    pids: { node: server.pid },
    load: await stage.remote('load/fan-out.ts'),
  }
}

function middle(values: readonly (number | undefined)[]): number | undefined {
  return values.some(value => value === undefined) ? undefined : median(values as number[])
}
