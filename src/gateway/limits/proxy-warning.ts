import type { IncomingMessage } from 'node:http'
import type { Logger } from '../../platform/index.ts'
import type { LimitName } from '../limit-counts.ts'

/** Warns, once, when clients behind a proxy that nobody has named are turned away as if they were one. */
export class ProxyWarning {
  readonly #logger: Logger
  #given = false

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** A connection from this address was turned away. */
  turnedAway(request: IncomingMessage, address: string | undefined, limit: LimitName): void {
    if (this.#given || !limit.startsWith('address_')) return
    // A trusted proxy is not the address itself, unless nobody stands behind it.
    if (request.headers['x-forwarded-for'] === undefined) return
    this.#given = true
    this.#logger.warn(
      { address, limit },
      'connections are turned away by a limit per address, and come with X-Forwarded-For: if this address is a proxy, name it in http.trustedProxies, else all its clients count as one',
    )
  }
}
