import { reply } from './dialects.ts'
import { eventData } from './event-data.ts'
import type { FrameSink } from './frames.ts'
import type { RawSocket } from './raw-socket.ts'

/** What all connections of a flood share. */
export interface FloodState {
  /** Appends still to be sent; Infinity for a flood that ends by time. */
  left: number
  sent: number
  acknowledged: number
  open: boolean
  readonly latenciesMs: number[]
  onAcknowledged: () => void
}

const firstId = 1_000

/** Keeps `inFlight` appends unanswered on one connection, over its channels in turn. */
export class AppendFlood implements FrameSink {
  readonly #socket: RawSocket
  readonly #channels: readonly string[]
  readonly #state: FloodState
  readonly #sentAt = new Map<number, number>()
  #lastId = firstId

  constructor(socket: RawSocket, channels: readonly string[], state: FloodState) {
    this.#socket = socket
    this.#channels = channels
    this.#state = state
    socket.sink = this
  }

  get unanswered(): number {
    return this.#sentAt.size
  }

  /** Sends `count` commands in one frame, as an SDK that batches does. */
  send(count: number): void {
    const lines: string[] = []
    const now = performance.now()
    for (let i = 0; i < count && this.#state.open && this.#state.left > 0; i++) {
      const id = ++this.#lastId
      this.#sentAt.set(id, now)
      this.#state.left--
      const channel = this.#channels[id % this.#channels.length] as string
      lines.push(appendCommand(id, channel, this.#state.sent++))
    }
    if (lines.length > 0) this.#socket.send(lines.join('\n'))
  }

  begin(): boolean {
    return true
  }

  payload(_opcode: number, payload: Buffer): void {
    const now = performance.now()
    let answered = 0
    for (const line of payload.toString().split('\n')) {
      const id = Number.parseInt(line.slice('{"id":'.length, 24), 10)
      const sentAt = this.#sentAt.get(id)
      if (sentAt === undefined) continue
      if (line.includes('"error"')) throw new Error(`an append was refused: ${line}`)
      this.#sentAt.delete(id)
      this.#state.latenciesMs.push(now - sentAt)
      answered++
    }
    this.#state.acknowledged += answered
    this.send(answered)
    if (answered > 0) this.#state.onAcknowledged()
  }
}

/** One append, start to acknowledgement, on a connection that does nothing else. Returns milliseconds. */
export async function appendAlone(socket: RawSocket, channel: string, id: number): Promise<number> {
  const startedAt = performance.now()
  socket.send(appendCommand(id, channel, id))
  await reply(socket, id)
  return performance.now() - startedAt
}

function appendCommand(id: number, channel: string, n: number): string {
  const data = `{"channel":"${channel}","type":"OrderPlaced","data":${eventData(n)}}`
  return `{"id":${id},"rpc":{"method":"holdfast.append","data":${data}}}`
}
