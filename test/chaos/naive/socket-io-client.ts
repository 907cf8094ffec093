import { io, type Socket } from 'socket.io-client'
import type { Channel, Client, Listener, Outcome } from '../types.ts'

/**
 * Socket.IO's own client with its retries: a packet is sent again until it is acknowledged, one at a time, in order.
 * A connection that came back without its state joins again and tells whoever listens.
 */
export class SocketIoClient implements Client {
  readonly #socket: Socket
  readonly #joined = new Map<string, Listener>()
  #before = false

  constructor(url: string) {
    this.#socket = io(url, {
      transports: ['websocket'],
      forceNew: true,
      retries: 3,
      ackTimeout: 5_000,
      reconnectionDelayMax: 1_000,
    })
    this.#socket.on('connect', () => {
      if (this.#before && !this.#socket.recovered) {
        for (const [channel, listener] of this.#joined) {
          listener.told()
          this.#socket.emit('join', channel, () => undefined)
        }
      }
      this.#before = true
    })
    this.#socket.on('message', (channel: string, value: string) => this.#joined.get(channel)?.heard(value))
  }

  async subscribe({ name: channel }: Channel, listener: Listener): Promise<void> {
    this.#joined.set(channel, listener)
    await this.#socket.emitWithAck('join', channel)
  }

  async send({ name: channel }: Channel, value: string): Promise<{ readonly outcome: Outcome }> {
    try {
      await this.#socket.emitWithAck('publish', channel, value)
      return { outcome: 'ok' }
    } catch {
      // It was sent up to four times, and no answer came.
      return { outcome: 'unknown' }
    }
  }

  async close(): Promise<void> {
    this.#socket.disconnect()
  }
}
