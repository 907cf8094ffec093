import type { NaiveHandlers } from '../baselines/naive-server.ts'
import type { DialectName } from '../load/dialects.ts'
import type { IdleHandlers } from '../load/idlers.ts'
import { lower, type Row } from '../report/rows.ts'
import { collectGarbage } from '../stage/debugger.ts'
import { residentBytes } from '../stage/machine.ts'
import type { Stage } from '../stage/stage.ts'
import type { PartDefinition } from './part.ts'

const connections = 5_000
/** Opened before, so that the code they run is compiled. Few, because what they leave free would hide the others. */
const warmUp = 200
const rooms = 500

/** KiB per idle connection. */
interface Cost {
  readonly resident: number | undefined
  readonly heap: number
}

interface Server {
  readonly name: DialectName
  readonly port: number
  readonly pid: number
  /** Collects garbage; returns the bytes left in the JavaScript heap. */
  settle(): Promise<number>
  stop(): Promise<void>
}

/** What 5,000 connections that do nothing add to the memory of one process, after a full garbage collection. */
export const memory: PartDefinition = {
  name: 'memory',
  title: `Memory of ${connections.toLocaleString('en')} idle connections to one process`,
  async measure({ stage, say }) {
    const costOf = async (start: typeof holdfastServer, inRooms: number): Promise<Cost> => {
      const server = await start(stage)
      say(`memory: ${server.name}, ${inRooms > 0 ? 'subscribed' : 'connected'}`)
      const cost = await perConnection(stage, server, inRooms)
      await server.stop()
      return cost
    }
    const connected = [await costOf(holdfastServer, 0), await costOf(naiveServer, 0)] as const
    const subscribed = [await costOf(holdfastServer, rooms), await costOf(naiveServer, rooms)] as const
    return {
      rows: [
        residentRow('connected', 'resident, per connection', connected, 12),
        heapRow('of it in the JavaScript heap', connected),
        residentRow('subscribed', `resident, per connection in one of ${rooms} channels`, subscribed),
        heapRow('of it in the JavaScript heap', subscribed),
      ],
      details: { connected, subscribed },
      notes: [],
    }
  },
}

function residentRow(key: string, what: string, [ours, theirs]: readonly [Cost, Cost], atMost?: number): Row {
  const value = lower(ours.resident, theirs.resident)
  return {
    what,
    unit: 'KiB',
    holdfast: ours.resident,
    others: { naive: theirs.resident },
    ratio: { key: `memory.${key}`, to: 'naive', value, judged: true },
    ...(atMost === undefined ? {} : { goal: { atMost } }),
  }
}

function heapRow(what: string, [ours, theirs]: readonly [Cost, Cost]): Row {
  return { what, unit: 'KiB', holdfast: ours.heap, others: { naive: theirs.heap } }
}

async function holdfastServer(stage: Stage): Promise<Server> {
  const { port, pid, debuggerUrl = '', stop } = await stage.node({ nodeOptions: '--inspect=127.0.0.1:0' })
  return { name: 'holdfast', port, pid, settle: () => collectGarbage(debuggerUrl), stop }
}

async function naiveServer(stage: Stage): Promise<Server> {
  const redis = await stage.redis()
  const server = await stage.remote<NaiveHandlers>('baselines/naive-server.ts')
  const port = await server.call('start', { redisUrl: redis.url })
  const settle = () => server.call('collectGarbage', undefined)
  return { name: 'naive', port, pid: server.pid, settle, stop: () => server.stop() }
}

async function perConnection(stage: Stage, server: Server, inRooms: number): Promise<Cost> {
  const load = await stage.remote<IdleHandlers>('load/idlers.ts')
  const settings = { dialect: server.name, port: server.port, rooms: inRooms }
  await load.call('open', { ...settings, connections: warmUp })
  const heapBefore = await server.settle()
  const before = residentBytes(server.pid)
  await load.call('open', { ...settings, connections })
  const heapAfter = await server.settle()
  const after = residentBytes(server.pid)
  const there = await load.call('count', undefined)
  await load.stop()
  if (there !== warmUp + connections) throw new Error(`only ${there} connections stayed open`)
  const each = (bytes: number) => bytes / connections / 1024
  return {
    resident: before === undefined || after === undefined ? undefined : each(after - before),
    heap: each(heapAfter - heapBefore),
  }
}
