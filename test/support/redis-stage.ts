import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { connectPostgres } from '../../src/platform/index.ts'
import { type Cluster, type Node, openNamespaces, startCluster, tokenSecret } from './cluster.ts'
import { holdfast } from './command.ts'
import { type Rooms, startRooms } from './rooms-traffic.ts'
import { startTraffic, type Traffic } from './traffic.ts'
import { until } from './until.ts'

const door = fileURLToPath(new URL('../../src/app/index.ts', import.meta.url))
export const durableChannels = Array.from({ length: 16 }, (_, n) => `order:${n}`)
const secret = `whsec_${Buffer.from('a secret of thirty-two bytes, ok').toString('base64')}`

/** What a node is started with: every kind of worker writes down each event that it has handled. */
const moduleOf = (redis: unknown, webhook: string) => `
import { done } from ${JSON.stringify(door)}

export default {
  auth: { token: { hmacSecret: ${JSON.stringify(tokenSecret)} } },
  log: { level: ${JSON.stringify(process.env['HOLDFAST_TEST_LOG'] ?? 'warn')} },
  workers: { leaseMs: 2000 },
  // What tests count is theirs alone.
  prober: { enabled: false },
  redis: ${JSON.stringify(redis)},
  namespaces: ${JSON.stringify(openNamespaces)},
  jobs: {
    rules: {
      job: { on: { channel: 'order:3' }, handler: 'job', backoffMs: { first: 100, most: 1000 } },
      web: {
        on: { channel: 'order:7' },
        webhook: { url: ${JSON.stringify(webhook)}, secrets: [${JSON.stringify(secret)}], allowPrivate: true },
        backoffMs: { first: 100, most: 1000 },
      },
    },
  },
}

export function setup(hf) {
  const write = table => async ({ id }, { tx }) => {
    await tx\`insert into \${tx(table)} (event) values (\${id})\`
    return done()
  }
  hf.group('ordered', { mode: 'ordered' }).on('order:*', '*', write('ordered'))
  hf.group('competing', { mode: 'competing' }).on('order:*', '*', write('competing'))
  hf.job('job', write('jobs'))
}
`
/** A machine that runs other tests beside this takes its time. */
const healMs = 40_000

interface Parts {
  readonly mirror: string
  readonly bus: string
}

const tables = ['ordered', 'competing', 'jobs'] as const

/** Two nodes that serve and work, over whatever Redis, in traffic of both tiers. */
export interface RedisStage {
  readonly nodes: readonly Node[]
  readonly traffic: Traffic
  readonly rooms: Rooms
  /** Waits until everything works on all nodes as if nothing had been; `what` is said where it does not. */
  healed(what: string): Promise<void>
  /** Ends the traffic and checks it whole: events, signals, and each event once in effect for each kind of worker. */
  finish(): Promise<void>
  /** Runs `holdfast` with what the nodes are configured with, and returns what it says as JSON. */
  command<T>(...args: readonly (string | number)[]): Promise<T>
  /** SIGTERM to all nodes: no connection may keep one. */
  stop(): Promise<void>
  close(): Promise<void>
}

/** @param redis `redis` of the configuration */
export async function startRedisStage(redis: unknown): Promise<RedisStage> {
  const ends: (() => unknown)[] = []
  const close = async () => {
    for (const end of ends.splice(0).reverse()) await end()
  }
  try {
    return await open(redis, ends, close)
  } catch (error) {
    await close()
    throw error
  }
}

async function open(
  redis: unknown,
  ends: (() => unknown)[],
  close: () => Promise<void>,
): Promise<RedisStage> {
  const receiver = await startReceiver()
  ends.push(receiver.close)
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-redis-stage-'))
  ends.push(() => rm(directory, { recursive: true, force: true }))
  const file = join(directory, 'holdfast.ts')
  await writeFile(file, moduleOf(redis, receiver.url))
  const cluster: Cluster = await startCluster({ nodes: 0 })
  ends.push(() => cluster.close())
  // An address in the environment would contradict the sentinels or the cluster of the file.
  const env = { HOLDFAST_CONFIG: file, REDIS_URL: '' }
  const { sql, end } = await prepare(cluster.databaseUrl)
  ends.push(end)
  await cluster.start({ env })
  await cluster.start({ env })
  const { nodes } = cluster
  const traffic = await startTraffic(nodes, { channels: durableChannels, writers: 4, paceMs: 30 })
  ends.push(() => traffic.close())
  const rooms = await startRooms(nodes)
  ends.push(() => rooms.close())

  const handled = async (table: (typeof tables)[number]) => {
    const [row] = await sql<{ all: string; events: string }[]>`
      select count(*) as all, count(distinct event) as events from ${sql(table)}`
    return { all: Number(row?.all), events: Number(row?.events) }
  }
  const stored = async (channel: string) => {
    const [row] = await sql<{ n: string }[]>`
      select count(*) as n from holdfast.events where channel like ${channel}`
    return Number(row?.n)
  }

  return {
    nodes,
    traffic,
    rooms,
    async healed(what) {
      let parts: unknown[] = []
      await until(
        `all nodes are ready ${what}`,
        async () => {
          const answers = await Promise.all(nodes.map(({ http }) => fetch(`${http}/health/ready`)))
          const bodies = await Promise.all(answers.map(each => each.json() as Promise<{ parts: Parts }>))
          parts = bodies.map(each => each.parts)
          return bodies.every(each => each.parts.mirror === 'ready' && each.parts.bus === 'ready')
        },
        healMs,
      ).catch((error: Error) => {
        throw new Error(`${error.message}: ${JSON.stringify(parts)}`)
      })
      await rooms.flow(what)
      await traffic.further(20)
      await traffic.allSeen(what)
    },
    async finish() {
      await rooms.finish()
      await traffic.finish(cluster.databaseUrl)
      const all = await stored('order:%')
      const expected = { ordered: all, competing: all, jobs: await stored('order:3') }
      for (const table of tables) {
        const goal = expected[table]
        const done = async () => (await handled(table)).events === goal
        await until(`all ${goal} events are handled by ${table}`, done, 60_000)
        expect([table, await handled(table)]).toEqual([table, { all: goal, events: goal }])
      }
      const sent = await stored('order:7')
      await until(`the webhook has all ${sent} events`, () => receiver.events.size === sent, 60_000)
    },
    async command<T>(...args: readonly (string | number)[]) {
      const result = await holdfast([...args, '--json'], {
        HOLDFAST_CONFIG: file,
        DATABASE_URL: cluster.databaseUrl,
      })
      expect([result.code, result.stderr]).toEqual([0, ''])
      return result.json<T>()
    },
    async stop() {
      rooms.close()
      traffic.close()
      expect(await Promise.all(nodes.map(node => node.stop()))).toEqual(nodes.map(() => 0))
    },
    close,
  }
}

async function prepare(databaseUrl: string) {
  const sql = connectPostgres(databaseUrl, { max: 2, applicationName: 'test' })
  for (const table of tables) await sql`create table ${sql(table)} (event uuid)`
  return { sql, end: () => sql.end({ timeout: 1 }) }
}

/** Takes whatever is sent to it, and remembers of which events. */
async function startReceiver() {
  const events = new Set<string>()
  const server = createServer((request, response) => {
    events.add(`${request.headers['webhook-id']}`)
    request.resume().on('end', () => response.writeHead(204).end())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    events,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
