import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import { selfSigned } from './certificate.ts'

export interface TlsPostgres {
  readonly url: string
  /** Connections of clients at this moment. */
  readonly open: number
  /** Ends them all as a crashed machine does. */
  reset(): void
  close(): void
}

/**
 * Says to the first request of a Postgres client whether it speaks TLS, and then does; or says nothing at all. With a
 * `target` a real Postgres stands behind it.
 */
export async function tlsPostgres(answer: 'S' | 'N' | undefined, target?: string): Promise<TlsPostgres> {
  const secureContext = createSecureContext(selfSigned('db.test'))
  const behind = target === undefined ? undefined : new URL(target)
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket))
    socket.once('data', request => {
      if (request.toString('hex') !== '0000000804d2162f') return socket.destroy()
      if (answer) socket.write(answer)
      if (answer !== 'S') return
      const secure = new TLSSocket(socket, { isServer: true, secureContext }).on('error', () => undefined)
      if (!behind) return
      const inner = connect({ host: behind.hostname, port: Number(behind.port) }).on('error', () => undefined)
      secure.pipe(inner).pipe(secure)
      secure.once('close', () => inner.destroy())
      inner.once('close', () => secure.destroy())
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(target ?? 'postgres://user@127.0.0.1/db')
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: url.href,
    get open() {
      return sockets.size
    },
    reset() {
      for (const socket of sockets) socket.resetAndDestroy()
    },
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}
