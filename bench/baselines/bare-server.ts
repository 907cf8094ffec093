// The lower bound: no WebSocket, no JSON, no Redis. Bytes of a publisher are written to all subscribers as they came.
import { createServer, type Socket } from 'node:net'
import { answer } from '../stage/remote.ts'

const subscribers = new Set<Socket>()
const confirmation = Buffer.from([0x81, 3, 0x79, 0x65, 0x73])
const asksForMessages = 's'.charCodeAt(0)
const isPublisher = 'p'.charCodeAt(0)

async function start(_: undefined): Promise<number> {
  const server = createServer({ noDelay: true }, socket => {
    socket.on('error', () => socket.destroy())
    socket.on('close', () => subscribers.delete(socket))
    socket.on('data', (chunk: Buffer) => {
      const bytes = chunk[0] === isPublisher ? chunk.subarray(1) : chunk
      if (bytes.length === 0) return
      if (bytes[0] !== asksForMessages) {
        for (const subscriber of subscribers) subscriber.write(bytes)
        return
      }
      subscribers.add(socket)
      socket.write(confirmation)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

const handlers = { start }
export type BareHandlers = typeof handlers
answer(handlers)
