/** More are not remembered; the oldest go. */
const maxKeys = 10_000

/**
 * Idempotency keys of what was published while Redis could not remember them, so that at least the node that was asked
 * first does not publish it again. Another node does: it knows nothing of it.
 */
export class KnownKeys {
  /** By the time until which it is known, by `performance.now()`; in the order of these times. */
  readonly #until = new Map<string, number>()
  readonly #memoryMs: number

  constructor(memoryMs: number) {
    this.#memoryMs = memoryMs
  }

  add(channel: string, idempotencyKey: string): void {
    this.#until.set(`${channel} ${idempotencyKey}`, performance.now() + this.#memoryMs)
    for (const [oldest, until] of this.#until) {
      if (this.#until.size <= maxKeys && until > performance.now()) return
      this.#until.delete(oldest)
    }
  }

  has(channel: string, idempotencyKey: string): boolean {
    if (this.#until.size === 0) return false
    return (this.#until.get(`${channel} ${idempotencyKey}`) ?? 0) > performance.now()
  }
}
