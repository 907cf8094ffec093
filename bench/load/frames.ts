// WebSocket frames by hand (RFC 6455 §5.2): the load side must cost less than the servers it measures.

/** A client's text frame. The masking key is zero, which the protocol allows, so the payload stays as it is. */
export function maskedText(payload: string): Buffer {
  const size = Buffer.byteLength(payload)
  const head = header(size, true)
  const frame = Buffer.allocUnsafe(head.length + size)
  head.copy(frame)
  frame.write(payload, head.length)
  return frame
}

/** A server's text frame. */
export function plainText(payload: string): Buffer {
  return Buffer.concat([header(Buffer.byteLength(payload), false), Buffer.from(payload)])
}

/** A client's pong: an answer to a ping with the same payload. */
export function maskedPong(payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x8a, 0x80 | payload.length, 0, 0, 0, 0]), payload])
}

function header(size: number, masked: boolean): Buffer {
  const bit = masked ? 0x80 : 0
  const mask = masked ? [0, 0, 0, 0] : []
  if (size < 126) return Buffer.from([0x81, bit | size, ...mask])
  if (size < 65_536) return Buffer.from([0x81, bit | 126, size >> 8, size & 255, ...mask])
  const head = Buffer.from([0x81, bit | 127, 0, 0, 0, 0, 0, 0, 0, 0, ...mask])
  head.writeUInt32BE(size, 6)
  return head
}

export interface FrameSink {
  /** Told of each frame's length before its payload; says whether it wants the payload too. */
  begin(opcode: number, length: number): boolean
  /** The payload it asked for. The bytes are its own to keep. */
  payload(opcode: number, payload: Buffer): void
}

/** Walks over frames from header to header; payloads nobody asks for are skipped, not looked at. */
export class FrameWalk {
  readonly #sink: FrameSink
  readonly #header = Buffer.allocUnsafe(10)
  #headerHas = 0
  #left = 0
  #opcode = 0
  #wanted: Buffer | undefined

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  walk(bytes: Buffer, from: number, to: number): void {
    let at = from
    while (at < to) {
      if (this.#left > 0) at = this.#skip(bytes, at, to)
      else {
        this.#header[this.#headerHas++] = bytes[at++] as number
        this.#lookAtHeader()
      }
    }
  }

  #skip(bytes: Buffer, at: number, to: number): number {
    const n = Math.min(this.#left, to - at)
    if (this.#wanted) bytes.copy(this.#wanted, this.#wanted.length - this.#left, at, at + n)
    this.#left -= n
    if (this.#left === 0 && this.#wanted) {
      const payload = this.#wanted
      this.#wanted = undefined
      this.#sink.payload(this.#opcode, payload)
    }
    return at + n
  }

  #lookAtHeader(): void {
    if (this.#headerHas < 2) return
    const short = (this.#header[1] as number) & 127
    const size = short < 126 ? 2 : short === 126 ? 4 : 10
    if (this.#headerHas < size) return
    const length =
      size === 2 ? short : size === 4 ? this.#header.readUInt16BE(2) : this.#header.readUIntBE(4, 6)
    this.#headerHas = 0
    this.#opcode = (this.#header[0] as number) & 15
    this.#left = length
    if (!this.#sink.begin(this.#opcode, length)) return
    if (length === 0) this.#sink.payload(this.#opcode, Buffer.alloc(0))
    else this.#wanted = Buffer.allocUnsafe(length)
  }
}
