import type { RawSocket } from './raw-socket.ts'

const tickMs = 10
const longestRoundMs = 200
/** Far below the smallest receive buffer, so that waiting never looks like a slow consumer to the server. */
const bytesPerRead = 8_192

/** Reads many sockets in turn, a few per tick, each one seldom enough that a read brings many messages. */
export class Sweep {
  readonly #sockets: readonly RawSocket[]
  readonly #timer: NodeJS.Timeout
  #perTick = 0
  #at = 0

  constructor(sockets: readonly RawSocket[]) {
    this.#sockets = sockets
    for (const socket of sockets) socket.spare()
    this.pace(0)
    this.#timer = setInterval(() => this.#tick(), tickMs)
  }

  /** `bytesPerSecond` is what one socket receives. */
  pace(bytesPerSecond: number): void {
    const roundMs = Math.min(longestRoundMs, (1000 * bytesPerRead) / Math.max(1, bytesPerSecond))
    this.#perTick = Math.min(this.#sockets.length, Math.ceil((this.#sockets.length * tickMs) / roundMs))
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    for (let i = 0; i < this.#perTick; i++) {
      this.#sockets[this.#at]?.readOnce()
      this.#at = this.#at + 1 === this.#sockets.length ? 0 : this.#at + 1
    }
  }
}
