import { connect, type Socket } from 'node:net'
import { type FrameSink, FrameWalk, maskedPong, maskedText } from './frames.ts'

/** One buffer for all sockets: reads are handled before the next one happens, so nothing is allocated per read. */
const readBuffer = Buffer.allocUnsafe(256 * 1024)
const endOfHead = Buffer.from('\r\n\r\n')

export interface RawSocketOptions {
  readonly port: number
  /** Path of the WebSocket endpoint. */
  readonly path: string
  /** Instead of a WebSocket handshake: bytes to begin with on a bare TCP connection. */
  readonly bare?: string
}

/**
 * A WebSocket client on a bare TCP socket. Until `sink` is set it keeps text frames for `next`; afterwards every
 * frame goes to the sink. Pings of both kinds (RFC 6455 and the Centrifuge protocol's `{}`) are answered.
 */
export class RawSocket implements FrameSink {
  sink: FrameSink | undefined
  closed = false
  readonly #socket: Socket
  readonly #walk = new FrameWalk(this)
  readonly #opened = Promise.withResolvers<void>()
  #head: Buffer | undefined = Buffer.alloc(0)
  #texts: string[] = []
  #next: PromiseWithResolvers<string> | undefined
  #sparing = false

  private constructor(options: RawSocketOptions) {
    this.#socket = connect({
      port: options.port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: size => {
          this.#read(size)
          return !this.#sparing
        },
      },
    })
    this.#socket.on('error', error => this.#end(error))
    this.#socket.on('close', () => this.#end(new Error('the server closed the connection')))
    this.#socket.once('connect', () => {
      if (options.bare === undefined) this.#socket.write(upgrade(options))
      else {
        this.#socket.write(options.bare)
        this.#head = undefined
        this.#opened.resolve()
      }
    })
  }

  static async open(options: RawSocketOptions): Promise<RawSocket> {
    const socket = new RawSocket(options)
    await socket.#opened.promise
    return socket
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  send(text: string): void {
    this.#socket.write(maskedText(text))
  }

  /** The next text frame that is no ping. */
  next(): Promise<string> {
    const text = this.#texts.shift()
    if (text !== undefined) return Promise.resolve(text)
    if (this.closed) return Promise.reject(new Error('the connection is closed'))
    this.#next = Promise.withResolvers()
    return this.#next.promise
  }

  /**
   * From now on it reads only when `readOnce` is called and leaves the rest to the kernel's buffer, so that many
   * messages cost one read.
   */
  spare(): void {
    this.#sparing = true
    this.#socket.pause()
  }

  readOnce(): void {
    this.#socket.resume()
  }

  close(): void {
    this.#socket.destroy()
  }

  begin(opcode: number, length: number): boolean {
    if (opcode !== 1 || length === 2) return true
    return this.sink?.begin(opcode, length) ?? true
  }

  payload(opcode: number, payload: Buffer): void {
    if (opcode === 9) this.#socket.write(maskedPong(payload))
    else if (opcode === 8) this.#end(new Error(`closed by the server: ${closeReason(payload)}`))
    else if (payload.length === 2 && payload[0] === 123) this.send('{}')
    else if (this.sink) this.sink.payload(opcode, this.#withoutPing(payload))
    else if (this.#next) {
      this.#next.resolve(payload.toString())
      this.#next = undefined
    } else this.#texts.push(payload.toString())
  }

  #read(size: number): void {
    if (this.#head === undefined) {
      this.#walk.walk(readBuffer, 0, size)
      return
    }
    this.#head = Buffer.concat([this.#head, readBuffer.subarray(0, size)])
    const end = this.#head.indexOf(endOfHead)
    if (end < 0) return
    const head = this.#head
    this.#head = undefined
    if (head.toString('latin1', 0, 12) !== 'HTTP/1.1 101') {
      this.#end(new Error(`no WebSocket there: ${head.toString('latin1', 0, 200)}`))
      return
    }
    this.#opened.resolve()
    this.#walk.walk(head, end + 4, head.length)
  }

  /** A Centrifuge ping may ride in a frame with other messages, before or behind them. */
  #withoutPing(payload: Buffer): Buffer {
    const before = payload[0] === 123 && payload[1] === 125 && payload[2] === 10
    const behind =
      payload[payload.length - 3] === 10 && payload[payload.length - 2] === 123 && payload.at(-1) === 125
    if (!before && !behind) return payload
    this.send('{}')
    return payload.subarray(before ? 3 : 0, behind ? payload.length - 3 : payload.length)
  }

  #end(error: Error): void {
    if (this.closed) return
    this.closed = true
    this.#opened.reject(error)
    this.#next?.reject(error)
    this.#socket.destroy()
  }
}

function upgrade({ port, path }: RawSocketOptions): string {
  return [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Key: aG9sZGZhc3QgYmVuY2ghIQ==',
    'Sec-WebSocket-Version: 13',
    '\r\n',
  ].join('\r\n')
}

function closeReason(payload: Buffer): string {
  return payload.length < 2 ? 'no code' : `${payload.readUInt16BE(0)} ${payload.toString('utf8', 2)}`
}
