import { connectPostgres } from '../../../src/platform/index.ts'
import type { Running, Stage, System } from '../types.ts'
import { run } from './run.ts'
import { SocketIoClient } from './socket-io-client.ts'
import { WsClient } from './ws-client.ts'

const ws = (port: number) => new WsClient(`ws://127.0.0.1:${port}`)
const socketIo = (port: number) => new SocketIoClient(`http://127.0.0.1:${port}`)

/** The ways that Holdfast is compared with, each as it is usually built, behind the same stage. */
export const naiveSystems: readonly System[] = [
  {
    name: 'ws + Redis Pub/Sub',
    tiers: ['realtime', 'durable'],
    recovers: false,
    parts: [],
    start: (stage, nodes) =>
      run(stage, { nodes, server: 'pubsub-server', options: { redisUrl: stage.redis.url }, client: ws }),
  },
  {
    name: 'Redis list + LMPOP',
    tiers: ['durable'],
    recovers: false,
    parts: ['postgres', 'workers'],
    start: startList,
  },
  {
    name: 'Socket.IO + Redis adapter',
    tiers: ['realtime', 'durable'],
    recovers: false,
    parts: [],
    start: (stage, nodes) => startSocketIo(stage, nodes, 'pubsub'),
  },
  {
    name: 'Socket.IO + Redis Streams adapter',
    tiers: ['realtime', 'durable'],
    recovers: true,
    parts: [],
    start: (stage, nodes) => startSocketIo(stage, nodes, 'streams'),
  },
]

function startSocketIo(stage: Stage, nodes: number, adapter: 'pubsub' | 'streams'): Promise<Running> {
  const options = { redisUrl: stage.redis.url, adapter }
  return run(stage, { nodes, server: 'socket-io-server', options, client: socketIo })
}

async function startList(stage: Stage, nodes: number): Promise<Running> {
  const sql = connectPostgres(stage.postgres.directUrl, { max: 1, applicationName: 'chaos-checker' })
  await sql`create table messages (id bigserial primary key, channel text not null, value text not null)`
  await sql`create index on messages (channel, id)`
  return run(stage, {
    nodes,
    server: 'list-server',
    workers: ['list-writer'],
    options: { redisUrl: stage.redis.url, databaseUrl: stage.postgres.url },
    client: ws,
    async stored(channels) {
      const rows = await sql<{ channel: string; value: string }[]>`
        select channel, value from messages where channel in ${sql(channels)} order by id`
      const found = Map.groupBy(rows, row => row.channel)
      return channels.map(channel => ({
        channel,
        values: (found.get(channel) ?? []).map(({ value }, i) => ({ value, offset: i + 1 })),
      }))
    },
    end: () => sql.end({ timeout: 1 }),
  })
}
