import { connect, Socket } from 'node:net'

/** Where the driver connects to: hosts and ports side by side, or the path of a Unix socket. */
export interface PoolAddress {
  readonly host: readonly string[]
  readonly port: readonly number[]
  readonly path?: string | false | undefined
}

/** How a server begins that lets nobody in, as one that starts: with an error. */
const refusal = 'E'.charCodeAt(0)
/** What a socket tells of its end: whichever comes first. */
const endings: ReadonlySet<string> = new Set(['end', 'error', 'close'])
/** What is said to the server at the end of a pool still leaves within this. */
const farewellMs = 1_000

/**
 * The sockets of one pool of Postgres connections, so that none outlives it. The driver (postgres 3.4) forgets two kinds when
 * a pool is ended with a time limit: a connection that waits to be made again is made all the same, and one that is just
 * being made stays open. Nobody uses or closes them: a process whose pools are replaced at every silence would fill the server.
 */
export class PoolSockets {
  readonly #connectMs: number
  readonly #onBroken: () => void
  readonly #sockets = new Set<Socket>()
  #turn = 0
  #failures = 0
  #ended = false

  /**
   * @param connectMs how long a socket may take to connect
   * @param onBroken called as soon as a connection that was greeted is at its end, before the driver is told
   */
  constructor(connectMs: number, onBroken: () => void) {
    this.#connectMs = connectMs
    this.#onBroken = onBroken
  }

  /** Connections at this moment, and what is about to be one. */
  get count(): number {
    return this.#sockets.size
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
   * between the two is never answered, and what is left to be written keeps the next greeting from being sent. That nothing is
   * sent between the close and its telling is `onBroken`'s to see to. (Over TLS the driver listens to a socket of its own; there
   * only the patience of who asks helps.) Not by listeners: the driver takes those away.
   */
  #closingAtOnce(socket: Socket): Socket {
    const emit = socket.emit.bind(socket) as (event: string, ...args: unknown[]) => boolean
    let failure: unknown
    let greeted = false
    const close = () => {
      if (failure !== undefined) {
        this.#failures++
        emit('error', failure)
      }
      // The driver leaves what was sent unanswered where the close is said to follow from a failure.
      emit('close', false)
    }
    socket.emit = (event: string, ...args: unknown[]) => {
      if (event === 'data') {
        this.#failures = 0
        greeted ||= (args[0] as Buffer)[0] !== refusal
      } else if (greeted && endings.has(event)) {
        greeted = false
        this.#onBroken()
      }
      if (event === 'error') failure = args[0]
      else if (event === 'close') {
        this.#sockets.delete(socket)
        setImmediate(close)
      } else return emit(event, ...args)
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
