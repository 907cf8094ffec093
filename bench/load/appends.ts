// The load process of the durable tier: appends over sockets and HTTP, alone and flooding.
import { setTimeout as delay } from 'node:timers/promises'
import { answer } from '../stage/remote.ts'
import { type Pids, spentSince, usage } from '../stage/usage.ts'
import { AppendFlood, appendAlone, type FloodState } from './append-flood.ts'
import { dialects } from './dialects.ts'
import { eventData } from './event-data.ts'
import { type Percentiles, percentiles } from './latencies.ts'
import type { RawSocket } from './raw-socket.ts'

export interface Flood {
  readonly ports: readonly number[]
  readonly connections: number
  /** Unanswered appends per connection. */
  readonly inFlight: number
  readonly channels: readonly string[]
  /** Stop after so many seconds … */
  readonly seconds?: number
  /** … or after so many events. */
  readonly events?: number
  readonly processes: Pids
}

export interface FloodResult {
  readonly acknowledged: number
  readonly perSecond: number
  readonly latency: Percentiles
  /** CPU microseconds per event of each named process. */
  readonly cpuUs: Readonly<Record<string, number | undefined>>
  readonly loadUs: number
}

const drainMs = 10_000

async function flood(options: Flood): Promise<FloodResult> {
  const done = Promise.withResolvers<void>()
  const state: FloodState = {
    left: options.events ?? Number.POSITIVE_INFINITY,
    sent: 0,
    acknowledged: 0,
    open: true,
    latenciesMs: [],
    onAcknowledged: () => state.acknowledged === options.events && done.resolve(),
  }
  const sockets = await Promise.all(
    Array.from({ length: options.connections }, (_, i) =>
      dialects.holdfast.connect(options.ports[i % options.ports.length] as number),
    ),
  )
  const floods = sockets.map(socket => new AppendFlood(socket, options.channels, state))
  const before = usage(options.processes)
  const startedAt = performance.now()
  for (const one of floods) one.send(options.inFlight)
  if (options.events === undefined) await delay((options.seconds ?? 1) * 1000)
  else await Promise.race([done.promise, delay(120_000)])
  const seconds = (performance.now() - startedAt) / 1000
  const spent = spentSince(before, options.processes)
  const { acknowledged } = state
  state.open = false
  const limit = performance.now() + drainMs
  while (floods.some(one => one.unanswered > 0) && performance.now() < limit) await delay(5)
  for (const socket of sockets) socket.close()
  return {
    acknowledged,
    perSecond: acknowledged / seconds,
    latency: percentiles(state.latenciesMs),
    cpuUs: Object.fromEntries(
      Object.entries(spent.processes).map(([name, s]) => [
        name,
        s === undefined ? s : (s * 1e6) / acknowledged,
      ]),
    ),
    loadUs: (spent.own * 1e6) / acknowledged,
  }
}

let lone: RawSocket | undefined
let loneId = 10

/** Milliseconds of each of `samples` appends, one after another, over a socket that stays open between calls. */
async function aloneOverSocket({ port, samples }: { port: number; samples: number }): Promise<number[]> {
  lone ??= await dialects.holdfast.connect(port)
  const took: number[] = []
  for (let i = 0; i < samples; i++) took.push(await appendAlone(lone, 'facts:alone', ++loneId))
  return took
}

/** The same over `POST /api/append` with a kept connection. */
async function aloneOverHttp({ port, samples }: { port: number; samples: number }): Promise<number[]> {
  const took: number[] = []
  for (let i = 0; i < samples; i++) {
    const startedAt = performance.now()
    const response = await fetch(`http://127.0.0.1:${port}/api/append`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': 'bench' },
      body: `{"channel":"facts:alone","type":"OrderPlaced","data":${eventData(i)}}`,
    })
    const text = await response.text()
    if (!response.ok || text.includes('"error"')) throw new Error(`an append was refused: ${text}`)
    took.push(performance.now() - startedAt)
  }
  return took
}

const handlers = { flood, aloneOverSocket, aloneOverHttp }
export type AppendHandlers = typeof handlers
answer(handlers)
