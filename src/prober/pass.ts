import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** Of the latest connections: one that is going and the next one may overlap. */
const mostClients = 16

/**
 * How a node knows its own canaries: by a secret that is made when the process begins and never leaves it, but over a
 * connection to itself. Nobody else can have it, so nobody else gets to the canaries' channels.
 */
export class CanaryPass {
  readonly secret = randomBytes(32).toString('base64url')
  readonly #digest = digest(this.secret)
  readonly #clients = new Set<string>()

  /** Whether it is the secret; then the connection of this id is a canary from here on. */
  admit(token: string, client: string): boolean {
    if (!timingSafeEqual(digest(token), this.#digest)) return false
    this.#clients.add(client)
    for (const oldest of this.#clients) {
      if (this.#clients.size <= mostClients) break
      this.#clients.delete(oldest)
    }
    return true
  }

  isCanary(client: string): boolean {
    return this.#clients.has(client)
  }
}

/** Of one length, whatever the text: `timingSafeEqual` wants it, and tells nothing of the secret's. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
