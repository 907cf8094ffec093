import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** One address for several nodes, as a load balancer gives it: connections go to the first node that takes them. */
export interface Balancer {
  readonly url: string
  close(): Promise<void>
}

/**
 * `ports` are asked in their order, so that all clients of a test are on one node until that one stops; with `turns`
 * each connection begins with the next one.
 */
export async function startBalancer(ports: readonly number[], { turns = false } = {}): Promise<Balancer> {
  let turn = 0
  const sockets = new Set<Socket>()
  const hold = (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
  }
  const server = createServer(client => {
    hold(client)
    const pass = ([port, ...others]: readonly number[]) => {
      if (port === undefined) {
        client.destroy()
        return
      }
      const node = connect(port, '127.0.0.1')
      hold(node)
      const next = () => pass(others)
      node.once('error', next)
      node.once('connect', () => {
        node.off('error', next)
        client.pipe(node).pipe(client)
        client.once('close', () => node.destroy())
        node.once('close', () => client.destroy())
      })
    }
    const first = turns ? turn++ % ports.length : 0
    pass([...ports.slice(first), ...ports.slice(0, first)])
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the balancer has no port')
  return {
    url: `ws://127.0.0.1:${address.port}/connection/websocket`,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
