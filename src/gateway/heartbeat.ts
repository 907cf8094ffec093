import type { Config } from '../platform/index.ts'

export type Pulse = 'quiet' | 'ping' | 'no_pong'

/**
 * When to ping one connection, and whether its answers come. The first ping comes at a random moment, so that
 * clients which reconnected together are not pinged together for ever.
 */
export class Heartbeat {
  readonly #limits: Pick<Config['limits'], 'pingIntervalMs' | 'pongTimeoutMs'>
  #pingAt: number
  /** When the answer to the last ping is too late; undefined where none is owed. */
  #pongBy: number | undefined

  constructor(limits: Pick<Config['limits'], 'pingIntervalMs' | 'pongTimeoutMs'>, nowMs: number) {
    this.#limits = limits
    this.#pingAt = nowMs + limits.pingIntervalMs * (0.5 + Math.random() / 2)
  }

  /** What is to be done now. A ping is not repeated while its answer is owed. */
  beat(nowMs: number): Pulse {
    if (this.#pongBy !== undefined && nowMs >= this.#pongBy) return 'no_pong'
    if (nowMs < this.#pingAt || this.#pongBy !== undefined) return 'quiet'
    this.#pingAt = nowMs + this.#limits.pingIntervalMs
    this.#pongBy = nowMs + this.#limits.pongTimeoutMs
    return 'ping'
  }

  /** The client's answer; false where none was owed, which the protocol forbids. */
  pong(): boolean {
    if (this.#pongBy === undefined) return false
    this.#pongBy = undefined
    return true
  }
}
