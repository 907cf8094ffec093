import postgres from 'postgres'
import type { Running, Stage, Stored, System, Tier } from '../types.ts'
import { Program } from './program.ts'
import { SocketIoClient } from './socket-io-client.ts'
import { WsClient } from './ws-client.ts'

/** The ways that Holdfast is compared with, each as it is usually built, behind the same stage. */
export const naiveSystems: readonly System[] = [
  way('ws and Redis Pub/Sub', ['realtime', 'durable'], (stage, nodes) =>
    run({ nodes: programs('pubsub-server', nodes, { redisUrl: stage.redis.url }), client: ws }),
  ),
  way('Redis list, LMPOP and Postgres', ['durable'], startList),
  way('Socket.IO, Redis adapter', ['realtime', 'durable'], (stage, nodes) =>
    run({
      nodes: programs('socket-io-server', nodes, { redisUrl: stage.redis.url, adapter: 'pubsub' }),
      client: socketIo,
    }),
  ),
  way('Socket.IO, Redis Streams adapter', ['realtime', 'durable'], (stage, nodes) =>
    run({
      nodes: programs('socket-io-server', nodes, { redisUrl: stage.redis.url, adapter: 'streams' }),
      client: socketIo,
    }),
  ),
]

function way(name: string, tiers: readonly Tier[], start: System['start']): System {
  return { name, tiers, start }
}

const ws = (port: number) => new WsClient(`ws://127.0.0.1:${port}`)
const socketIo = (port: number) => new SocketIoClient(`http://127.0.0.1:${port}`)

function programs(name: string, count: number, options: object): Program[] {
  return Array.from({ length: count }, () => new Program(name, options))
}

async function startList(stage: Stage, nodes: number): Promise<Running> {
  const sql = postgres(stage.postgres.directUrl, { max: 1, onnotice: () => undefined })
  await sql`create table messages (id bigserial primary key, channel text not null, value text not null)`
  await sql`create index on messages (channel, id)`
  const options = { redisUrl: stage.redis.url, databaseUrl: stage.postgres.url }
  return run({
    nodes: programs('list-server', nodes, options),
    workers: programs('list-writer', 1, options),
    client: ws,
    async stored() {
      const rows = await sql<{ channel: string; value: string; offset: number }[]>`
        select channel, value, id::int as "offset" from messages order by id`
      const byChannel = Map.groupBy(rows, row => row.channel)
      return [...byChannel].map(([channel, values]) => ({ channel, values }))
    },
    stop: () => sql.end({ timeout: 1 }),
  })
}

/** What has no store has nothing stored: what it acknowledged is wherever it was delivered, and nowhere else. */
async function run(parts: {
  nodes: readonly Program[]
  workers?: readonly Program[]
  client(port: number): WsClient | SocketIoClient
  stored?(): Promise<readonly Stored[]>
  stop?(): Promise<void>
}): Promise<Running> {
  const all = [...parts.nodes, ...(parts.workers ?? [])]
  await Promise.all(all.map(each => each.start()))
  return {
    nodes: parts.nodes,
    workers: parts.workers ?? [],
    client: async node => parts.client(parts.nodes[node]?.port ?? 0),
    stored: async () => (await parts.stored?.()) ?? [],
    effects: async () => new Map(),
    async stop() {
      await Promise.all(all.map(each => each.kill()))
      await parts.stop?.()
    },
  }
}
