import { once } from 'node:events'
import { WebSocket } from 'ws'

/** Subscribes to one channel and looks at each publication no closer than it must: hundreds of these share a process. */
export class RoomReader {
  readonly #socket: WebSocket
  /** The numbers that publications began with, in the order in which they came. */
  readonly numbers: number[] = []
  code: number | undefined

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('error', () => undefined)
    socket.on('close', code => {
      this.code = code
    })
    socket.on('message', (data: Buffer) => {
      for (let at = data.indexOf(start); at >= 0; at = data.indexOf(start, at + start.length)) {
        this.numbers.push(
          Number.parseInt(data.toString('latin1', at + start.length, at + start.length + 8), 10),
        )
      }
    })
  }

  /** Resolves when the subscription is answered. Publications have to be texts that begin with a number. */
  static async open(url: string, channel: string): Promise<RoomReader> {
    const socket = new WebSocket(url, { perMessageDeflate: false })
    const reader = new RoomReader(socket)
    await once(socket, 'open')
    socket.send(
      `${JSON.stringify({ id: 1, connect: {} })}\n${JSON.stringify({ id: 2, subscribe: { channel } })}`,
    )
    await new Promise<void>((resolve, reject) => {
      const look = (data: Buffer) => {
        const text = data.toString()
        if (text.includes('"error"')) reject(new Error(text))
        if (!text.includes('"id":2')) return
        socket.off('message', look)
        resolve()
      }
      socket.on('message', look)
    })
    return reader
  }

  stopReading(): void {
    this.#socket.pause()
  }

  readAgain(): void {
    this.#socket.resume()
  }

  close(): void {
    this.#socket.terminate()
  }
}

const start = Buffer.from('"data":"')
