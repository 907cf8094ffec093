import { once } from 'node:events'
import { WebSocket } from 'ws'

export interface Reply {
  readonly id: number
  readonly error?: { readonly code: number; readonly message: string; readonly temporary?: boolean }
  readonly [method: string]: unknown
}

export interface Push {
  readonly channel: string
  readonly [kind: string]: unknown
}

export interface Ended {
  readonly code: number
  readonly reason: string
}

/** How long a test waits for a message that should come at once. */
const limitMs = 10_000

/**
 * A client that says exactly what a test tells it to and shows exactly what comes back, line by line. It answers
 * no pings by itself.
 */
export class FrameClient {
  readonly #socket: WebSocket
  readonly #lines: string[] = []
  /** How many frames have come: several lines may share one. */
  frames = 0
  #wake: (() => void) | undefined
  #ended: Ended | undefined

  constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', data => {
      this.frames++
      this.#lines.push(...data.toString().split('\n'))
      this.#wake?.()
    })
    socket.on('error', () => undefined)
    socket.on('close', (code, reason) => {
      this.#ended = { code, reason: reason.toString() }
      this.#wake?.()
    })
  }

  static async open(
    url: string,
    options: { protocols?: string[]; headers?: Record<string, string> } = {},
  ): Promise<FrameClient> {
    const socket = new WebSocket(url, options.protocols ?? [], {
      perMessageDeflate: false,
      headers: options.headers ?? {},
    })
    const client = new FrameClient(socket)
    await once(socket, 'open')
    return client
  }

  /** Opens a connection and connects it, without a token unless one is given. */
  static async connected(url: string, token?: string): Promise<FrameClient & { id: string }> {
    const client = await FrameClient.open(url)
    client.send({ id: 1, connect: token === undefined ? {} : { token } })
    const reply = await client.expectReply(1)
    if (reply.error) throw new Error(`connect failed: ${JSON.stringify(reply.error)}`)
    return Object.assign(client, { id: (reply['connect'] as { client: string }).client })
  }

  /** Sends commands as one frame. */
  send(...commands: object[]): void {
    this.sendText(commands.map(command => JSON.stringify(command)).join('\n'))
  }

  sendText(text: string): void {
    this.#socket.send(text)
  }

  sendBinary(bytes: Uint8Array): void {
    this.#socket.send(bytes)
  }

  /** Stops reading from the socket, so that the server's writes pile up. */
  stopReading(): void {
    this.#socket.pause()
  }

  readAgain(): void {
    this.#socket.resume()
  }

  /** The next line, whatever it is. */
  async nextText(): Promise<string> {
    await this.#until('a line', () => this.#lines.length > 0)
    return this.#lines.shift() ?? ''
  }

  async next(): Promise<Record<string, unknown>> {
    return JSON.parse(await this.nextText())
  }

  /** The next reply, which has to be the one to `id`; pushes and pings before it stay for later. */
  async expectReply(id: number): Promise<Reply> {
    const reply = (await this.#take('a reply', line => 'id' in line)) as Reply
    if (reply.id !== id) throw new Error(`expected the reply to ${id}, got ${JSON.stringify(reply)}`)
    return reply
  }

  async expectError(id: number): Promise<number> {
    const reply = await this.expectReply(id)
    if (!reply.error) throw new Error(`expected an error, got ${JSON.stringify(reply)}`)
    return reply.error.code
  }

  /** The next push that carries `kind`; other lines before it stay for later. */
  async expectPush(kind: string): Promise<Push> {
    const line = await this.#take(`a ${kind} push`, each => {
      return 'push' in each && kind in (each['push'] as object)
    })
    return line['push'] as Push
  }

  async expectPing(): Promise<void> {
    await this.#take('a ping', line => Object.keys(line).length === 0)
  }

  /** How the connection ended. */
  async ended(): Promise<Ended> {
    await this.#until('the end of the connection', () => this.#ended !== undefined)
    return this.#ended as Ended
  }

  /** What has come and nobody has taken. */
  get untaken(): readonly string[] {
    return this.#lines
  }

  /** Takes everything that has come, whatever it is. */
  takeAll(): string[] {
    return this.#lines.splice(0)
  }

  get hasEnded(): boolean {
    return this.#ended !== undefined
  }

  close(): void {
    this.#socket.terminate()
  }

  async #take(
    what: string,
    wanted: (line: Record<string, unknown>) => boolean,
  ): Promise<Record<string, unknown>> {
    const find = () => this.#lines.findIndex(line => wanted(JSON.parse(line)))
    await this.#until(what, () => find() >= 0)
    return JSON.parse(this.#lines.splice(find(), 1)[0] ?? '{}')
  }

  async #until(what: string, condition: () => boolean): Promise<void> {
    const end = Date.now() + limitMs
    while (!condition()) {
      if (this.#ended && what !== 'the end of the connection') {
        throw new Error(`waited for ${what}, but the connection ended: ${JSON.stringify(this.#ended)}`)
      }
      const left = end - Date.now()
      if (left <= 0)
        throw new Error(`waited ${limitMs} ms in vain for ${what}; have ${this.#lines.join(' | ')}`)
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, left)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}
