import { WebSocket } from 'ws'
import { certificateSeconds } from '../platform/index.ts'

/** What the node has answered; `error` where it refused. */
export interface Reply {
  readonly error?: { readonly code: number; readonly message: string } | undefined
  readonly result: Readonly<Record<string, unknown>>
}

export interface Push {
  readonly channel: string
  readonly pub?: {
    readonly data: unknown
    readonly offset?: number
    readonly tags?: Readonly<Record<string, string>>
  }
  readonly unsubscribe?: { readonly code: number }
}

export interface ConnectionOptions {
  readonly address: string
  readonly token: string
  readonly deadlineMs: number
  readonly onPush: (push: Push) => void
  /** It is gone, whoever ended it. Not called for one that was never made. */
  readonly onClosed: () => void
}

/** No answer came in time. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered'
}

/** One message of the server's: a ping, a push, or a reply with its result under the method's name. */
interface Line {
  readonly id?: number
  readonly push?: Push
  readonly error?: Reply['error']
  readonly [method: string]: unknown
}

const noReply: Reply = { result: {} }

/** More would mean that the node answers nothing any more: then there is nothing to be asked. */
const maxWaiting = 1_000

/** A connection to the node as any client has one: its own framing and the protocol's words, and nothing of the server's. */
export class CanaryConnection {
  readonly #socket: WebSocket
  readonly #options: ConnectionOptions
  readonly #waiting = new Map<number, (reply: Reply) => void>()
  #stream: unknown
  #lastId = 0
  #connected = false
  #closed = false
  #retired = false

  private constructor(options: ConnectionOptions) {
    this.#options = options
    // To the own listener, whose certificate names a host and not this address.
    const settings = {
      perMessageDeflate: false,
      handshakeTimeout: options.deadlineMs,
      rejectUnauthorized: false,
    }
    this.#socket = new WebSocket(options.address, [], settings)
    this.#socket.on('message', frame => {
      try {
        this.#take(frame.toString())
      } catch {
        // What cannot be read is as good as no connection; the next one is made, and this one's commands count as unanswered.
        this.close()
      }
    })
    this.#socket.once('upgrade', ({ socket }) => {
      this.#stream = socket
    })
    this.#socket.on('error', () => undefined)
    this.#socket.once('close', () => this.#end())
  }

  /** @throws Unanswered, or an Error where the node refuses */
  static async open(options: ConnectionOptions): Promise<CanaryConnection> {
    const connection = new CanaryConnection(options)
    try {
      await connection.#opened()
      const { error } = await connection.call({ connect: { token: options.token, name: 'canary' } })
      if (error) throw new Error(`connect was refused: ${error.code} ${error.message}`)
      if (connection.#closed) throw new Error('the connection was ended at once')
      connection.#connected = true
      return connection
    } catch (error) {
      connection.close()
      throw error
    }
  }

  get open(): boolean {
    return this.#connected && !this.#closed
  }

  /** How long the certificate is still valid that the listener has shown; undefined without TLS, or when it is gone. */
  get certificateSeconds(): number | undefined {
    return certificateSeconds(this.#stream)
  }

  /**
   * Sends one command. `onReply` is called before anything that has come behind the answer is looked at.
   * @throws Unanswered after the deadline, or when the connection ends before
   */
  call(command: Readonly<Record<string, unknown>>, onReply?: (reply: Reply) => void): Promise<Reply> {
    const id = ++this.#lastId
    const { promise, resolve, reject } = Promise.withResolvers<Reply>()
    if (this.#closed || this.#waiting.size >= maxWaiting) {
      reject(new Unanswered('there is no connection to ask over'))
      return promise
    }
    // What has arrived is looked at before it is called late: this process may have stood still itself.
    const timer = setTimeout(() => setImmediate(() => settle(noReply)), this.#options.deadlineMs)
    const settle = (reply: Reply) => {
      clearTimeout(timer)
      this.#waiting.delete(id)
      if (this.#retired && this.#waiting.size === 0) this.close()
      if (reply === noReply) return reject(new Unanswered('the node has not answered in time'))
      onReply?.(reply)
      resolve(reply)
    }
    this.#waiting.set(id, settle)
    this.#socket.send(JSON.stringify({ id, ...command }))
    return promise
  }

  /** Closes it when everything that was asked over it is answered. */
  retire(): void {
    this.#retired = true
    if (this.#waiting.size === 0) this.close()
  }

  close(): void {
    this.#connected = false
    this.#socket.terminate()
    this.#end()
  }

  async #opened(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#socket.once('open', resolve)
    this.#socket.once('error', error => {
      reject(/timed out/.test(error.message) ? new Unanswered(error.message) : error)
    })
    this.#socket.once('close', () => reject(new Error('the connection was closed')))
    await promise
  }

  #take(frame: string): void {
    for (const line of frame.split('\n')) {
      const { id, push, error, ...results } = JSON.parse(line) as Line
      if (push) this.#options.onPush(push)
      else if (id === undefined) this.#socket.send('{}')
      else this.#waiting.get(id)?.({ error, result: (Object.values(results)[0] ?? {}) as Reply['result'] })
    }
  }

  #end(): void {
    if (this.#closed) return
    this.#closed = true
    for (const settle of [...this.#waiting.values()]) settle(noReply)
    if (!this.#connected) return
    this.#connected = false
    this.#options.onClosed()
  }
}
