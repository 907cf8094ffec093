// Socket.IO behind one of its Redis adapters, set up as their documentation has it.
import { createServer } from 'node:http'
import { createAdapter as createPubSubAdapter } from '@socket.io/redis-adapter'
import { createAdapter as createStreamsAdapter } from '@socket.io/redis-streams-adapter'
import { Redis } from 'ioredis'
import { Server } from 'socket.io'

const { port, redisUrl, adapter } = JSON.parse(process.argv[2] ?? '{}') as {
  port: number
  redisUrl: string
  adapter: 'pubsub' | 'streams'
}

const redis = new Redis(redisUrl)
redis.on('error', () => undefined)
const http = createServer()
const io =
  adapter === 'streams'
    ? new Server(http, {
        adapter: createStreamsAdapter(redis),
        connectionStateRecovery: { maxDisconnectionDuration: 2 * 60 * 1000, skipMiddlewares: true },
      })
    : new Server(http, { adapter: createPubSubAdapter(redis, subscriber()) })

io.on('connection', socket => {
  socket.on('join', async (channel: string, done: () => void) => {
    await socket.join(channel)
    done()
  })
  socket.on('publish', (channel: string, value: string, done: () => void) => {
    io.to(channel).emit('message', channel, value)
    done()
  })
})
http.listen(port, '127.0.0.1', () => console.log('ready'))

process.once('SIGTERM', () => io.close(() => process.exit(0)))

function subscriber(): Redis {
  const duplicate = redis.duplicate()
  duplicate.on('error', () => undefined)
  return duplicate
}
