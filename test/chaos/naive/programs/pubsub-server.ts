// The naive way with one Redis and nothing else, as most tutorials have it: `ws`, and Pub/Sub between the nodes.
import { Redis } from 'ioredis'
import { type WebSocket, WebSocketServer } from 'ws'

const { port, redisUrl } = JSON.parse(process.argv[2] ?? '{}') as { port: number; redisUrl: string }

const publisher = new Redis(redisUrl)
const subscriber = new Redis(redisUrl)
for (const redis of [publisher, subscriber]) redis.on('error', () => undefined)

const rooms = new Map<string, Set<WebSocket>>()
subscriber.on('message', (channel: string, value: string) => {
  const text = JSON.stringify({ channel, value })
  for (const socket of rooms.get(channel) ?? []) socket.send(text)
})

const server = new WebSocketServer({ host: '127.0.0.1', port })
server.on('connection', socket => {
  socket.on('error', () => undefined)
  socket.on('message', async bytes => {
    const { id, join, publish, value } = JSON.parse(bytes.toString())
    try {
      if (join !== undefined) await enter(join, socket)
      else await publisher.publish(publish, value)
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

async function enter(channel: string, socket: WebSocket): Promise<void> {
  let room = rooms.get(channel)
  if (!room) {
    room = new Set()
    rooms.set(channel, room)
  }
  room.add(socket)
  await subscriber.subscribe(channel)
}

process.once('SIGTERM', () => {
  for (const socket of server.clients) socket.close(1001)
  server.close(() => process.exit(0))
})
