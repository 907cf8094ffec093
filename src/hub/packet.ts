/** RFC 6455 §5.2: at most 10 bytes stand before the payload of an unmasked frame. */
const maxHeader = 10

/**
 * Lines are joined into one frame up to about this many characters; a longer one goes alone. Many clients refuse
 * frames above a limit of theirs (Python's usual library above 1 MiB), which joining must not bring about.
 */
export const maxJoinedCharacters = 262_144

/**
 * Bytes ready for many sockets: one or more protocol lines joined by newlines, with the WebSocket text frame's
 * header in front. Built once, written to every subscriber; nobody may change the bytes afterwards.
 */
export class Packet {
  /** Header and payload of one unmasked WebSocket text frame. */
  readonly frame: Buffer
  /** The protocol lines alone, for transports that frame in another way. */
  readonly payload: Buffer
  /** How many protocol messages (lines) it carries. */
  readonly messages: number

  private constructor(frame: Buffer, payload: Buffer, messages: number) {
    this.frame = frame
    this.payload = payload
    this.messages = messages
  }

  /** One packet of these lines (without newlines of their own). A Buffer may hold several lines already. */
  static of(lines: readonly (string | Buffer)[], messages: number = lines.length): Packet {
    let size = Math.max(0, lines.length - 1)
    for (const line of lines) size += typeof line === 'string' ? Buffer.byteLength(line) : line.length
    const header = size < 126 ? 2 : size < 65536 ? 4 : maxHeader
    const frame = Buffer.allocUnsafe(header + size)
    frame[0] = 0x81
    if (header === 2) frame[1] = size
    else if (header === 4) {
      frame[1] = 126
      frame.writeUInt16BE(size, 2)
    } else {
      frame[1] = 127
      frame.writeUInt32BE(Math.floor(size / 2 ** 32), 2)
      frame.writeUInt32BE(size >>> 0, 6)
    }
    let at = header
    for (let i = 0; i < lines.length; i++) {
      if (i > 0) frame[at++] = 10
      const line = lines[i] as string | Buffer
      at += typeof line === 'string' ? frame.write(line, at) : line.copy(frame, at)
    }
    return new Packet(frame, frame.subarray(header), messages)
  }
}
