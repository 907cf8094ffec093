// The naive way, as most tutorials have it: `ws`, Redis Pub/Sub, JSON parsed and written again for every client.
import { Session } from 'node:inspector/promises'
import { Redis } from 'ioredis'
import postgres from 'postgres'
import { type WebSocket, WebSocketServer } from 'ws'
import { answer } from '../stage/remote.ts'

interface Options {
  readonly redisUrl: string
}

const clients = new Map<string, Set<WebSocket>>()

async function start({ redisUrl }: Options): Promise<number> {
  const publisher = new Redis(redisUrl)
  const subscriber = new Redis(redisUrl)
  subscriber.on('message', (room: string, text: string) => {
    const data: unknown = JSON.parse(text)
    for (const client of clients.get(room) ?? []) client.send(JSON.stringify({ type: 'message', room, data }))
  })
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  server.on('connection', socket => {
    socket.on('message', async bytes => {
      const message = JSON.parse(bytes.toString())
      if (message.type === 'publish') await publisher.publish(message.room, JSON.stringify(message.data))
      else if (message.type === 'replay') await replay(socket, publisher, message)
      else await join(socket, message.room)
    })
    socket.on('close', () => {
      for (const room of clients.values()) room.delete(socket)
    })
  })
  await new Promise(resolve => server.once('listening', resolve))
  return (server.address() as { port: number }).port

  async function join(socket: WebSocket, room: string): Promise<void> {
    let members = clients.get(room)
    if (!members) {
      members = new Set()
      clients.set(room, members)
      await subscriber.subscribe(room)
    }
    members.add(socket)
    socket.send(JSON.stringify({ type: 'subscribed', room }))
  }
}

interface Replay {
  /** A Redis list of JSON texts, or the Postgres table that has the same events. */
  readonly from: 'redis' | 'postgres'
  readonly source: string
  readonly databaseUrl: string
}

const page = 1_000

async function replay(socket: WebSocket, redis: Redis, { from, source, databaseUrl }: Replay): Promise<void> {
  if (from === 'redis') {
    for (let at = 0; ; at += page) {
      const texts = await redis.lrange(source, at, at + page - 1)
      for (const text of texts) socket.send(JSON.stringify({ type: 'event', event: JSON.parse(text) }))
      if (texts.length < page) return
    }
  }
  const sql = postgres(databaseUrl, { max: 1 })
  for (let since = 0; ; since += page) {
    const events = await sql`
      select channel, "offset", id, type, data, time from ${sql(source)}
      where "offset" > ${since} order by "offset" limit ${page}`
    for (const event of events) {
      socket.send(JSON.stringify({ type: 'event', event: { ...event, data: JSON.parse(event.data) } }))
    }
    if (events.length < page) break
  }
  await sql.end()
}

/** A full garbage collection; returns the bytes that are left in the JavaScript heap. */
async function collectGarbage(_: undefined): Promise<number> {
  const session = new Session()
  session.connect()
  await session.post('HeapProfiler.collectGarbage')
  await session.post('HeapProfiler.collectGarbage')
  session.disconnect()
  return process.memoryUsage().heapUsed
}

const handlers = { start, collectGarbage }
export type NaiveHandlers = typeof handlers
answer(handlers)
