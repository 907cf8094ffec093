import { connect, Socket } from 'node:net'

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
  readonly #connectMs: number
  readonly #sockets = new Set<Socket>()
  #turn = 0
  #failures = 0
  #ended = false
  #untold = 0
  #told = Promise.withResolvers<void>()

  /** @param connectMs how long a socket may take to connect */
  constructor(connectMs: number) {
    this.#connectMs = connectMs
  }

  /** @see Ends */
  get untold(): Promise<void> | undefined {
    return this.#untold > 0 ? this.#told.promise : undefined
  }

  /** Connections in a row that have failed without a word of the server. */
  get failures(): number {
    return this.#failures
  }

  /**
   * For the driver's option `socket`: connects to the hosts in turn, as the driver by itself does. The driver takes what it
   * gets for connected, so it gets nothing sooner; and it forgets a connection whose socket it does not get, so it always
   * gets one.
   */
  readonly open = async ({ host, port, path }: PoolAddress): Promise<Socket> => {
    const turn = this.#turn++ % port.length
    const at = { host: host[turn] ?? 'localhost', port: port[turn] ?? 5432 }
    try {
      if (this.#ended) throw new Error('the pool has ended')
      // The driver reads the host for TLS.
      return Object.assign(this.#closingAtOnce(await this.#connected(path ? connect(path) : connect(at))), at)
    } catch (error) {
      return this.#closingAtOnce(failing(error as Error))
    }
  }

  /** The pool has ended: from now on nothing connects, and what is connected still is no longer than a farewell takes. */
  end(): void {
    this.#ended = true
    setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy()
    }, farewellMs).unref()
  }

  async #connected(socket: Socket): Promise<Socket> {
    this.#sockets.add(socket)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const closed = () => reject(new Error('the pool has ended'))
    socket.once('connect', resolve).once('error', reject).once('close', closed)
    const late = () =>
      reject(Object.assign(new Error('connecting has taken too long'), { code: 'CONNECT_TIMEOUT' }))
    const timer = setTimeout(late, this.#connectMs)
    try {
      await promise
      return socket
    } catch (error) {
      this.#sockets.delete(socket)
      socket.destroy()
      throw error
    } finally {
      clearTimeout(timer)
      socket.off('connect', resolve).off('close', closed)
      // An error after the end is nobody's.
      if (!socket.destroyed) socket.off('error', reject)
    }
  }

  /**
   * Tells the driver of a failure only with the close, and of that when what it had still to write is written: what it sends
   * between the two is never answered, and what is left to be written keeps the next greeting from being sent. That nobody
   * sends anything until it is told is `gatedPool`'s to see to. (Over TLS the driver listens to a socket of its own; there only
   * the patience of who asks helps.) Not by listeners: the driver takes those away.
   */
  #closingAtOnce(socket: Socket): Socket {
    const emit = socket.emit.bind(socket) as (event: string, ...args: unknown[]) => boolean
    let failure: unknown
    let ending = false
    const close = () => {
      if (failure !== undefined) {
        this.#failures++
        emit('error', failure)
      }
      // The driver leaves what was sent unanswered where the close is said to follow from a failure.
      emit('close', false)
      if (--this.#untold === 0) this.#told.resolve()
    }
    socket.emit = (event: string, ...args: unknown[]) => {
      if (event === 'data') this.#failures = 0
      if (event !== 'error' && event !== 'close') return emit(event, ...args)
      if (!ending) {
        ending = true
        if (this.#untold++ === 0) this.#told = Promise.withResolvers()
      }
      if (event === 'error') failure = args[0]
      else {
        this.#sockets.delete(socket)
        setImmediate(close)
      }
      return true
    }
    return socket
  }
}

/** A socket that fails as soon as the driver writes to it, which is when the driver listens to it. */
function failing(error: Error): Socket {
  const socket = new Socket()
  socket.write = () => {
    socket.destroy(error)
    return false
  }
  return socket
}
