// A collector that takes everything and keeps nothing, so that nobody waits for it.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { answer } from '../stage/remote.ts'

let taken = 0
const server = createServer((request, response) => {
  request.on('data', (chunk: Buffer) => {
    taken += chunk.length
  })
  request.on('end', () => response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end())
})

const handlers = {
  /** Resolves to its port. */
  listen: (): Promise<number> =>
    new Promise(resolve => {
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
    }),
  /** How many bytes have come. */
  taken: (): number => taken,
}
export type CollectorHandlers = typeof handlers
answer(handlers)
