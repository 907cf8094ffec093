// The naive way to make messages last: a node puts them into a Redis list and has them for accepted; `list-writer.ts`
// moves them to Postgres and announces them by Pub/Sub. Who comes back reads from Postgres what it has missed.
import { Redis } from 'ioredis'
import postgres from 'postgres'
import { type WebSocket, WebSocketServer } from 'ws'

const { port, redisUrl, databaseUrl } = JSON.parse(process.argv[2] ?? '{}') as {
  port: number
  redisUrl: string
  databaseUrl: string
}

const redis = new Redis(redisUrl)
const subscriber = new Redis(redisUrl)
for (const each of [redis, subscriber]) each.on('error', () => undefined)
const sql = postgres(databaseUrl, { max: 5, onnotice: () => undefined })

/** What to do with a channel's messages, for each socket in it. */
const rooms = new Map<string, Map<WebSocket, (text: string) => void>>()
subscriber.on('message', (channel: string, text: string) => {
  for (const take of rooms.get(channel)?.values() ?? []) take(text)
})

const server = new WebSocketServer({ host: '127.0.0.1', port })
server.on('connection', socket => {
  socket.on('error', () => undefined)
  socket.on('message', async bytes => {
    const { id, join, since, publish, value } = JSON.parse(bytes.toString())
    try {
      if (join !== undefined) await enter(join, since, socket)
      else await redis.lpush('messages', JSON.stringify({ channel: publish, value }))
      socket.send(JSON.stringify({ id, ok: true }))
    } catch {
      socket.send(JSON.stringify({ id, ok: false }))
    }
  })
  socket.on('close', () => {
    for (const room of rooms.values()) room.delete(socket)
  })
})
server.on('listening', () => console.log('ready'))

/** What comes live while the past is read is held until the past is sent. */
async function enter(channel: string, since: number, socket: WebSocket): Promise<void> {
  let room = rooms.get(channel)
  if (!room) {
    room = new Map()
    rooms.set(channel, room)
  }
  const held: string[] = []
  room.set(socket, text => held.push(text))
  await subscriber.subscribe(channel)
  const missed = await sql`
    select id::int as "offset", channel, value from messages
    where channel = ${channel} and id > ${since} order by id`
  for (const message of missed) socket.send(JSON.stringify(message))
  for (const text of held) socket.send(text)
  room.set(socket, text => socket.send(text))
}

process.once('SIGTERM', () => {
  for (const socket of server.clients) socket.close(1001)
  server.close(() => process.exit(0))
})
