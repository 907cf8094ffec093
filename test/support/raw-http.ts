import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'

/** What a client has sent: its head, and as much body as it announced. */
export interface RawRequest {
  readonly head: string
  readonly body: string
  /** In lower case. */
  readonly headers: Readonly<Record<string, string>>
}

export interface RawHttp {
  readonly port: number
  readonly url: string
  /** Whole requests that came in, in order. */
  readonly requests: readonly RawRequest[]
  /** Connections ever made. */
  readonly connections: () => number
  /** Connections that are open. */
  readonly open: () => number
  close(): Promise<void>
}

/** An HTTP server that answers byte by byte as a test wants, also against every rule of HTTP. */
export async function rawHttp(answer: (socket: Socket, request: RawRequest) => void): Promise<RawHttp> {
  const sockets = new Set<Socket>()
  const requests: RawRequest[] = []
  let connections = 0
  const server = createServer(socket => {
    connections++
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
    let received = Buffer.alloc(0)
    socket.on('data', chunk => {
      received = Buffer.concat([received, chunk])
      for (;;) {
        const end = received.indexOf('\r\n\r\n')
        if (end < 0) return
        const head = received.subarray(0, end).toString()
        const headers = headersOf(head)
        const length = Number(headers['content-length'] ?? 0)
        if (received.length < end + 4 + length) return
        const body = received.subarray(end + 4, end + 4 + length).toString()
        received = received.subarray(end + 4 + length)
        const request = { head, body, headers }
        requests.push(request)
        answer(socket, request)
      }
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    requests,
    connections: () => connections,
    open: () => sockets.size,
    close() {
      for (const socket of sockets) socket.destroy()
      return new Promise(resolve => server.close(() => resolve()))
    },
  }
}

/** A complete answer that leaves the connection open. */
export function reply(status: number, text = '', headers: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries({ 'content-length': String(Buffer.byteLength(text)), ...headers })
  return `HTTP/1.1 ${status} X\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${text}`
}

function headersOf(head: string): Record<string, string> {
  const lines = head.split('\r\n').slice(1)
  return Object.fromEntries(
    lines.map(line => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
}
