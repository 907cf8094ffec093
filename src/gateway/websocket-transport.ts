import type { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import type { Disconnect } from '../protocol/index.ts'
import { type Sink, WebSocketSink } from './sink.ts'
import type { Transport } from './transport.ts'

/** A WebSocket: `ws` reads frames and does the handshakes, packets are written to the socket beneath it. */
export class WebSocketTransport implements Transport {
  readonly sink: Sink
  readonly #webSocket: WebSocket

  constructor(webSocket: WebSocket, socket: Duplex) {
    this.#webSocket = webSocket
    this.sink = new WebSocketSink(socket, webSocket)
  }

  close({ code, reason }: Disconnect): void {
    if (this.#webSocket.readyState === WebSocket.OPEN) this.#webSocket.close(code, reason)
  }

  pause(): void {
    this.#webSocket.pause()
  }

  resume(): void {
    this.#webSocket.resume()
  }
}
