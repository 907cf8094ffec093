import { Socket } from 'node:net'

/** Where the driver connects to: hosts and ports side by side, or the path of a Unix socket. */
export interface PoolAddress {
  readonly host: readonly string[]
  readonly port: readonly number[]
  readonly path?: string | false | undefined
}

/** What is said to the server at the end of a pool still leaves within this. */
const farewellMs = 1_000

/**
 * The sockets of one pool of Postgres connections, so that none outlives it. The driver (postgres 3.4) forgets two kinds when
 * a pool is ended with a time limit: a connection that waits to be made again is made all the same, and one that is just
 * being made stays open. Nobody uses or closes them: a process whose pools are replaced at every silence would fill the server.
 */
export class PoolSockets {
  readonly #sockets = new Set<Socket>()
  #turn = 0
  #ended = false

  /** For the driver's option `socket`: connects to the hosts in turn, as the driver by itself does. */
  readonly open = ({ host, port, path }: PoolAddress): Socket => {
    const socket = new Socket()
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    const turn = this.#turn++ % port.length
    const at = { host: host[turn] ?? 'localhost', port: port[turn] ?? 5432 }
    // The driver reads the host for TLS, and names both in its errors.
    Object.assign(socket, at)
    // It listens to the socket only after its next turn: what fails at once has to fail later.
    queueMicrotask(() => {
      try {
        if (this.#ended) socket.destroy(new Error('the pool has ended'))
        else if (path) socket.connect(path)
        else socket.connect(at)
      } catch (error) {
        socket.destroy(error as Error)
      }
    })
    return socket
  }

  /** The pool has ended: from now on nothing connects, and what is connected still is no longer than a farewell takes. */
  end(): void {
    this.#ended = true
    setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy()
    }, farewellMs).unref()
  }
}
