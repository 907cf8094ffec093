import type { AppendHandlers, FloodResult } from '../load/appends.ts'
import type { CollectorHandlers } from '../load/collector.ts'
import { countingMicroseconds } from '../load/counting.ts'
import type { FanOutHandlers, StepResult } from '../load/fan-out.ts'
import { median } from '../load/latencies.ts'
import { higher, lower, type Row } from '../report/rows.ts'
import type { HoldfastNode } from '../stage/holdfast-node.ts'
import type { Remote } from '../stage/remote.ts'
import type { Bench, PartDefinition } from './part.ts'

const rounds = 3
const rate = 4_000
const variants = ['off', 'metrics', 'one percent', 'as configured', 'everything'] as const
type Variant = (typeof variants)[number]

interface Contestant {
  readonly node: HoldfastNode
  readonly fanOut: Remote<FanOutHandlers>
  readonly steps: StepResult[]
  readonly floods: FloodResult[]
}

/** What telemetry costs: the same node five times, each under the same load, in turn. */
export const telemetry: PartDefinition = {
  name: 'telemetry',
  title: 'A node with metrics and traces, beside one without any telemetry',
  async measure(bench) {
    const { stage, say } = bench
    const collector = await stage.remote<CollectorHandlers>('load/collector.ts')
    const endpoint = `http://127.0.0.1:${await collector.call('listen', undefined)}`
    const append = await stage.remote<AppendHandlers>('load/appends.ts')
    const contestants = new Map<Variant, Contestant>()
    for (const variant of variants) contestants.set(variant, await start(bench, variant, endpoint))
    for (let round = 0; round <= rounds; round++) {
      for (const [variant, contestant] of contestants) {
        say(`telemetry: ${variant}, ${round === 0 ? 'to warm up' : `round ${round} of ${rounds}`}`)
        const { step, flood } = await measure(bench, contestant, append, variant)
        if (round === 0) continue
        contestant.steps.push(step)
        contestant.floods.push(flood)
      }
    }
    const bytes = await collector.call('taken', undefined)
    return {
      rows: [...rowsOf(contestants), countingRow()],
      details: {
        ...Object.fromEntries(
          [...contestants].map(([variant, { steps, floods }]) => [variant, { steps, floods }]),
        ),
        collected: bytes,
      },
      notes: [
        'off: nobody reads the metrics, no traces; what is counted is counted all the same, and shown for itself; metrics: read once in each round; one percent, as configured (1 % of realtime messages, 10 % of appends, as where nothing is set), everything: metrics, and that share of the messages traced and sent to a collector that keeps nothing',
        `realtime: ${rate} publications a second in 20 rooms of 5 on one node, with the bus; append: a flood over 8 connections`,
        'the processor time of spans includes their way to the collector, in batches of the SDK, which drops what is more than 2,048 at a time',
      ],
    }
  },
}

async function start({ stage }: Bench, variant: Variant, endpoint: string): Promise<Contestant> {
  const traced = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${endpoint}/v1/traces` }
  const share = (part: string) => ({
    ...traced,
    OTEL_TRACES_SAMPLER: 'traceidratio',
    OTEL_TRACES_SAMPLER_ARG: part,
  })
  const node = await stage.node({
    metrics: variant !== 'off',
    env: {
      off: {},
      metrics: {},
      'one percent': share('0.01'),
      'as configured': traced,
      everything: share('1'),
    }[variant],
  })
  const fanOut = await stage.remote<FanOutHandlers>('load/fan-out.ts')
  await fanOut.call('open', {
    dialect: 'holdfast',
    ports: [node.port],
    rooms: 20,
    perRoom: 5,
    sampleEvery: 50,
  })
  return { node, fanOut, steps: [], floods: [] }
}

async function measure(
  { seconds }: Bench,
  { node, fanOut }: Contestant,
  append: Remote<AppendHandlers>,
  variant: Variant,
) {
  const processes = { node0: node.pid }
  if (variant !== 'off') await (await fetch(`http://127.0.0.1:${node.port}/metrics`)).text()
  const step = await fanOut.call('step', { rate, seconds, warmSeconds: 0.5, together: 1, processes })
  const flood = await append.call('flood', {
    ports: [node.port],
    connections: 8,
    inFlight: 32,
    channels: Array.from({ length: 32 }, (_, i) => `facts:telemetry-${variant.replaceAll(' ', '-')}-${i}`),
    seconds,
    processes,
  })
  return { step, flood }
}

function rowsOf(contestants: ReadonlyMap<Variant, Contestant>): Row[] {
  const figures = new Map(
    [...contestants].map(([variant, { steps, floods }]) => [
      variant,
      {
        realtime: median(steps.map(step => step.cpuUs['node0'] ?? Number.NaN)),
        append: median(floods.map(flood => flood.cpuUs['node0'] ?? Number.NaN)),
        appends: median(floods.map(flood => flood.perSecond)),
      },
    ]),
  )
  const off = figures.get('off')
  return variants.slice(1).flatMap((variant): Row[] => {
    const own = figures.get(variant)
    const key = `telemetry.${variant.replaceAll(' ', '_')}`
    return [
      {
        what: `node CPU per realtime delivery, ${variant}`,
        unit: 'µs',
        holdfast: own?.realtime,
        others: { off: off?.realtime },
        ratio: {
          key: `${key}.realtime`,
          to: 'off',
          value: lower(own?.realtime, off?.realtime),
          judged: false,
        },
      },
      {
        what: `node CPU per flooded append, ${variant}`,
        unit: 'µs',
        holdfast: own?.append,
        others: { off: off?.append },
        ratio: { key: `${key}.append`, to: 'off', value: lower(own?.append, off?.append), judged: false },
      },
      {
        what: `flooded appends, ${variant}`,
        unit: 'events/s',
        holdfast: own?.appends,
        others: { off: off?.appends },
        ratio: { key: `${key}.appends`, to: 'off', value: higher(own?.appends, off?.appends), judged: false },
      },
    ]
  })
}

function countingRow(): Row {
  return {
    what: 'counting and timing, of each realtime delivery in rooms of 5, a loop in one process',
    unit: 'µs',
    holdfast: countingMicroseconds(),
    others: {},
  }
}
