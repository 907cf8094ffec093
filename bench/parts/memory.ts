import type { NaiveHandlers } from '../baselines/naive-server.ts'
import type { DialectName } from '../load/dialects.ts'
import type { IdleHandlers } from '../load/idlers.ts'
import { lower, type Row } from '../report/rows.ts'
import { collectGarbage } from '../stage/debugger.ts'
import { residentBytes } from '../stage/machine.ts'
import type { Stage } from '../stage/stage.ts'
import type { PartDefinition } from './part.ts'

const connections = 5_000
/** Opened before, so that code is compiled and the heap has its shape when counting begins. */
const warmUp = 1_000
const rooms = 500

interface Server {
  readonly name: DialectName
  readonly port: number
  readonly pid: number
  readonly debuggerUrl: string
}

/** What 5,000 connections that do nothing add to the resident memory of one process, after a full collection. */
export const memory: PartDefinition = {
  name: 'memory',
  title: `Memory of ${connections.toLocaleString('en')} idle connections to one process`,
  async measure({ stage, say }) {
    const measured: Record<string, { connected: number | undefined; subscribed: number | undefined }> = {}
    for (const start of [holdfastServer, naiveServer]) {
      const found = {
        connected: undefined as number | undefined,
        subscribed: undefined as number | undefined,
      }
      for (const state of ['connected', 'subscribed'] as const) {
        const server = await start(stage)
        say(`memory: ${server.name}, ${state}`)
        found[state] = await perConnection(stage, server, state === 'subscribed' ? rooms : 0)
        measured[server.name] = found
        await server.stop()
      }
    }
    const row = (state: 'connected' | 'subscribed', what: string, atMost?: number): Row => {
      const [ours, theirs] = [measured['holdfast']?.[state], measured['naive']?.[state]]
      return {
        what,
        unit: 'KiB',
        holdfast: ours,
        others: { naive: theirs },
        ratio: { key: `memory.${state}`, to: 'naive', value: lower(ours, theirs), judged: true },
        ...(atMost === undefined ? {} : { goal: { atMost } }),
      }
    }
    return {
      rows: [
        row('connected', 'per connection', 12),
        row('subscribed', `per connection in one of ${rooms} channels`),
      ],
      details: measured,
      notes: [],
    }
  },
}

type Stoppable = Server & { stop(): Promise<void> }

async function holdfastServer(stage: Stage): Promise<Stoppable> {
  const node = await stage.node({ nodeOptions: '--inspect=127.0.0.1:0' })
  if (!node.debuggerUrl) throw new Error('the node has no debugger')
  return { name: 'holdfast', port: node.port, pid: node.pid, debuggerUrl: node.debuggerUrl, stop: node.stop }
}

async function naiveServer(stage: Stage): Promise<Stoppable> {
  const redis = await stage.redis()
  const server = await stage.remote<NaiveHandlers>('baselines/naive-server.ts')
  const port = await server.call('start', { redisUrl: redis.url })
  const debuggerUrl = await server.call('openDebugger', undefined)
  return { name: 'naive', port, pid: server.pid, debuggerUrl, stop: () => server.stop() }
}

/** KiB of resident memory per idle connection. */
async function perConnection(stage: Stage, server: Server, inRooms: number): Promise<number | undefined> {
  const load = await stage.remote<IdleHandlers>('load/idlers.ts')
  const settings = { dialect: server.name, port: server.port, rooms: inRooms }
  await load.call('open', { ...settings, connections: warmUp })
  await collectGarbage(server.debuggerUrl)
  const before = residentBytes(server.pid)
  await load.call('open', { ...settings, connections })
  await collectGarbage(server.debuggerUrl)
  const after = residentBytes(server.pid)
  const there = await load.call('count', undefined)
  await load.stop()
  if (there !== warmUp + connections) throw new Error(`only ${there} connections stayed open`)
  return before === undefined || after === undefined ? undefined : (after - before) / connections / 1024
}
