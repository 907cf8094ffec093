import type { IncomingMessage, ServerResponse } from 'node:http'
import type { LimitCounts } from '../limit-counts.ts'
import { Room } from '../limits/room.ts'

/** A caller that takes nothing of its answer for so long is cut; above what an answer may take to come. */
const unreadMs = 60_000

/**
 * Requests of the HTTP API under way, by number and by the bytes of their bodies: from before the body is read until the
 * caller has taken the answer. Who has the key is not limited otherwise.
 */
export class ApiRoom {
  static readonly retryAfterSeconds = 1
  readonly #requests: Room
  readonly #bytes: Room
  readonly #bodyLimit: number
  readonly #unreadMs: number

  constructor(
    limits: { readonly maxApiRequests: number; readonly maxApiBytes: number },
    bodyLimit: number,
    counts: LimitCounts,
    unread = unreadMs,
  ) {
    this.#requests = new Room(limits.maxApiRequests, 'api_requests', counts)
    this.#bytes = new Room(limits.maxApiBytes, 'api_bytes', counts)
    this.#bodyLimit = bodyLimit
    this.#unreadMs = unread
  }

  /** @returns whether there was room, which is free again when the exchange has ended */
  take(request: IncomingMessage, response: ServerResponse): boolean {
    const told = request.headers['content-length']
    // In chunks, without a length, it may come to as much as any body; a GET has none.
    const unknown = request.method === 'GET' && !request.headers['transfer-encoding'] ? 0 : this.#bodyLimit
    const bytes = Math.min(this.#bodyLimit, told === undefined ? unknown : Number(told))
    if (!this.#requests.enter(1)) return false
    if (!this.#bytes.enter(bytes)) {
      this.#requests.leave(1)
      return false
    }
    response.once('close', () => {
      this.#requests.leave(1)
      this.#bytes.leave(bytes)
    })
    response.setTimeout(this.#unreadMs, () => request.destroy())
    return true
  }
}
