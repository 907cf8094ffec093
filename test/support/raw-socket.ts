import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

export interface FrameShape {
  readonly opcode?: number
  readonly fin?: boolean
  /** The three reserved bits, which mean an extension that nobody has agreed on. */
  readonly reserved?: number
  readonly masked?: boolean
  /** What the header says instead of the payload's true length. */
  readonly claimed?: bigint
}

/** The bytes of one WebSocket frame as a client would send it, or as none should (RFC 6455 §5.2). */
export function frameBytes(payload: string | Uint8Array | readonly number[], shape: FrameShape = {}): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload) : Buffer.from(payload)
  const length = shape.claimed ?? BigInt(body.length)
  const first = (shape.fin === false ? 0 : 0x80) | ((shape.reserved ?? 0) << 4) | (shape.opcode ?? 1)
  const mask = shape.masked === false ? 0 : 0x80
  const header =
    length < 126n
      ? Buffer.from([first, mask | Number(length)])
      : Buffer.concat([Buffer.from([first, mask | 127]), bigEndian(length)])
  // A key of zeros leaves the payload as it is.
  return Buffer.concat([header, Buffer.alloc(mask === 0 ? 0 : 4), body])
}

function bigEndian(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(value)
  return bytes
}

/** A WebSocket connection without a WebSocket library: it sends any bytes whatever, and sees how the server ends. */
export class RawSocket {
  readonly socket: Socket
  #received = Buffer.alloc(0)
  /** Where in `#received` the next frame begins. */
  #at = 0
  #closeCode: number | undefined

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', chunk => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#lookForClose()
    })
    socket.on('error', () => undefined)
  }

  static async open(port: number): Promise<RawSocket> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    const key = randomBytes(16).toString('base64')
    socket.write(
      `GET /connection/websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    )
    const [answer] = (await once(socket, 'data')) as [Buffer]
    if (!answer.toString('latin1').startsWith('HTTP/1.1 101 ')) throw new Error(answer.toString('latin1'))
    return new RawSocket(socket)
  }

  write(bytes: Uint8Array): void {
    if (!this.socket.destroyed) this.socket.write(bytes)
  }

  /** What the server has sent since the handshake, as text. */
  get text(): string {
    return this.#received.toString('latin1')
  }

  get closed(): boolean {
    return this.socket.destroyed
  }

  /** The code of the close frame that came; 1006 where the server just cut the line. */
  async ended(): Promise<number> {
    if (!this.closed) await once(this.socket, 'close', { signal: AbortSignal.timeout(15_000) })
    return this.#closeCode ?? 1006
  }

  destroy(): void {
    this.socket.destroy()
  }

  /** A close frame is answered, as a client has to, so that the server need not wait for that. */
  #lookForClose(): void {
    while (this.#at + 1 < this.#received.length && this.#closeCode === undefined) {
      const short = (this.#received[this.#at + 1] as number) & 0x7f
      const header = short < 126 ? 2 : short === 126 ? 4 : 10
      if (this.#received.length < this.#at + header) return
      const length =
        short < 126
          ? short
          : this.#received.readUIntBE(this.#at + header - (short === 126 ? 2 : 6), short === 126 ? 2 : 6)
      if (this.#received.length < this.#at + header + length) return
      if (((this.#received[this.#at] as number) & 0x0f) === opcodes.close) {
        this.#closeCode = this.#received.readUInt16BE(this.#at + header)
        this.socket.end(
          frameBytes(this.#received.subarray(this.#at + header, this.#at + header + 2), {
            opcode: opcodes.close,
          }),
        )
      }
      this.#at += header + length
    }
  }
}
