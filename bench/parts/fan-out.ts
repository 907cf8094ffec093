import type { StepResult } from '../load/fan-out.ts'
import { median } from '../load/latencies.ts'
import { higher, lower, type Row } from '../report/rows.ts'
import { type Contestant, holdfast, naive, open, type Shape, serverUs, step } from './contestants.ts'
import type { Bench, PartDefinition } from './part.ts'
import { ramp } from './ramp.ts'

interface Scenario {
  readonly name: string
  readonly title: string
  readonly shape: Shape
  /** Messages per second at which both are compared. */
  readonly commonRate: number
  /** Messages per second at which the ramp ends even if all is well: far beyond the goal. */
  readonly highestRate: number
  readonly goals: { readonly cpu: number; readonly rate: number; readonly p99Ms?: number }
}

const rounds = 3

export const oneRoom = fanOutPart({
  name: 'room',
  title: 'Fan-out: one room of 500 subscribers on two nodes',
  shape: { rooms: 1, perRoom: 500, sampleEvery: 20 },
  commonRate: 50,
  highestRate: 6_400,
  goals: { cpu: 2, rate: 4, p99Ms: 10 },
})

export const manyRooms = fanOutPart({
  name: 'rooms',
  title: 'Fan-out: 200 rooms of 5 subscribers on two nodes',
  shape: { rooms: 200, perRoom: 5, sampleEvery: 10 },
  commonRate: 8_000,
  highestRate: 64_000,
  goals: { cpu: 1 / 0.6, rate: 2.5 },
})

function fanOutPart(scenario: Scenario): PartDefinition {
  return {
    name: scenario.name,
    title: scenario.title,
    async measure(bench) {
      const contestants = await Promise.all([holdfast(bench.stage), naive(bench.stage)])
      const [_ours, _theirs] = contestants
      for (const contestant of contestants) await open(contestant, scenario.shape)
      const stopSpinners = await bench.stage.spinners()
      const common = await atCommonRate(bench, scenario, contestants)
      const ramps = []
      for (const contestant of contestants) {
        bench.say(`${scenario.name}: how far ${contestant.name} goes`)
        const seconds = Math.max(1, bench.seconds * 0.75)
        const from = scenario.commonRate * 2
        ramps.push(await ramp(contestant, scenario.shape, { from, to: scenario.highestRate, seconds }))
        await contestant.load.call('close', undefined)
        await contestant.load.stop()
      }
      await stopSpinners()
      const best = ramps.map(result => result.best)
      const deliveries = scenario.commonRate * scenario.shape.perRoom
      return {
        rows: [...commonRows(scenario, deliveries, common), ...rampRows(scenario, best)],
        details: { common, ramps },
        notes: [
          noise(common.flat()),
          ...ramps.flatMap((result, i) =>
            result.limitedByLoad
              ? [`${contestants[i]?.name}: the load process was the limit, not the server`]
              : [],
          ),
        ],
      }
      function rampRows({ name, goals }: Scenario, [our, their]: (StepResult | undefined)[]): Row[] {
        return [
          {
            what: 'highest rate (all delivered, p99 < 250 ms)',
            unit: 'deliveries/s',
            holdfast: our?.perSecond,
            others: { naive: their?.perSecond },
            ratio: {
              key: `${name}.rate`,
              to: 'naive',
              value: higher(our?.perSecond, their?.perSecond),
              goal: goals.rate,
              judged: true,
            },
          },
          {
            what: 'server CPU per delivery there',
            unit: 'µs',
            holdfast: our && serverUs(our),
            others: { naive: their && serverUs(their), 'load side': our?.loadUs },
          },
        ]
      }
    },
  }
}

/** Both in turn, several times: what else the machine does then falls on both. */
async function atCommonRate(
  bench: Bench,
  scenario: Scenario,
  contestants: readonly Contestant[],
): Promise<StepResult[][]> {
  const results: StepResult[][] = contestants.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (const [i, contestant] of contestants.entries()) {
      bench.say(`${scenario.name}: ${contestant.name} at the common rate, round ${round + 1} of ${rounds}`)
      const options = {
        rate: scenario.commonRate,
        seconds: bench.seconds,
        warmSeconds: round === 0 ? 1.5 : 0.3,
        together: 1,
      }
      results[i]?.push(await step(contestant, options))
    }
  }
  return results
}

function commonRows(
  { name, goals }: Scenario,
  deliveries: number,
  [ours = [], theirs = []]: StepResult[][],
): Row[] {
  const rate = deliveries.toLocaleString('en')
  const middle = (results: StepResult[], of: (result: StepResult) => number | undefined) => {
    const values = results.map(of)
    return values.some(value => value === undefined) ? undefined : median(values as number[])
  }
  const cpu = [middle(ours, serverUs), middle(theirs, serverUs)] as const
  const redis = (results: StepResult[]) => middle(results, result => result.cpuUs['redis'])
  const latency = (from: 'cross' | 'local', rank: 'p50' | 'p95' | 'p99', judged: boolean): Row => {
    const our = middle(ours, result => result[from][rank])
    const their = middle(theirs, result => result[from][rank])
    const value = lower(our, their)
    return {
      what: `${from === 'cross' ? 'to the other node' : 'on the same node'}, ${rank}`,
      unit: 'ms',
      holdfast: our,
      others: { naive: their },
      ratio: { key: `${name}.${from}.${rank}`, to: 'naive', value, judged },
      ...(from === 'cross' && rank === 'p99' && goals.p99Ms !== undefined
        ? { goal: { atMost: goals.p99Ms } }
        : {}),
    }
  }
  return [
    {
      what: `server CPU per delivery at ${rate}/s`,
      unit: 'µs',
      holdfast: cpu[0],
      others: { naive: cpu[1], 'load side': middle(ours, result => result.loadUs) },
      ratio: { key: `${name}.cpu`, to: 'naive', value: lower(...cpu), goal: goals.cpu, judged: true },
    },
    { what: 'Redis CPU per delivery', unit: 'µs', holdfast: redis(ours), others: { naive: redis(theirs) } },
    latency('cross', 'p50', true),
    latency('cross', 'p95', false),
    latency('cross', 'p99', false),
    latency('local', 'p50', true),
    latency('local', 'p99', false),
  ]
}

function noise(results: readonly StepResult[]): string {
  const worst = (of: (result: StepResult) => number | undefined) =>
    Math.max(...results.map(result => of(result) ?? 0))
  const others = worst(result => result.othersCores).toFixed(2)
  const stolen = worst(result => result.stolenCores).toFixed(2)
  return `others on this machine used up to ${others} cores, the hypervisor took up to ${stolen}`
}
