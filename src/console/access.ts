import { createHash, timingSafeEqual } from 'node:crypto'
import { isKnownHost } from '../gateway/index.ts'
import type { ConsoleConfig } from '../platform/index.ts'
import type { ConsoleRole } from './wire-common.ts'

/** Somebody who may use the console. */
export interface Visitor {
  readonly name: string
  readonly role: ConsoleRole
}

/** `off`: there is no console here. */
export type Access =
  | { readonly kind: 'granted'; readonly visitor: Visitor; readonly open: boolean }
  | { readonly kind: 'denied' }
  /** Nobody needs a token, but the request asks for a name that may be a foreign page's. */
  | { readonly kind: 'elsewhere' }
  | { readonly kind: 'limited'; readonly retryAfterSeconds: number }

/** Of one address, within a minute; guessing a token of 16 characters this way takes longer than the world is old. */
const maxFailures = 20
const windowMs = 60_000
/** Addresses that are remembered; above it the one that failed longest ago is forgotten. */
const maxAddresses = 10_000

/** Everybody, where the node is insecure and nobody has a token. */
const everybody: Visitor = { name: 'developer', role: 'operator' }

/** Whether this node has a console. */
export function hasConsole({ console, auth }: ConsoleOf): boolean {
  return console.enabled ?? (console.tokens.length > 0 || auth.insecure)
}

interface ConsoleOf {
  readonly console: ConsoleConfig
  readonly auth: { readonly insecure: boolean; readonly allowedOrigins: readonly string[] }
}

/** Who may use the console, by bearer tokens. */
export class ConsoleAccess {
  /** Nobody needs a token. */
  readonly open: boolean
  readonly #known: readonly { readonly visitor: Visitor; readonly digest: Buffer }[]
  /** By address; the one that began to fail last is last. */
  readonly #failures = new Map<string, { count: number; since: number }>()
  readonly #allowedOrigins: readonly string[]
  readonly #now: () => number
  #denied = 0

  constructor(config: ConsoleOf, now: () => number = () => performance.now()) {
    const { tokens } = config.console
    this.open = hasConsole(config) && tokens.length === 0 && config.auth.insecure
    this.#known = tokens.map(({ name, role, token, tokenHash }) => ({
      visitor: { name, role },
      digest: token === undefined ? Buffer.from(tokenHash ?? '', 'hex') : digestOf(token),
    }))
    this.#allowedOrigins = config.auth.allowedOrigins
    this.#now = now
  }

  /** Wrong tokens that came. */
  get denied(): number {
    return this.#denied
  }

  /** Whose token it is. Takes the same time whichever it is. */
  visitorOf(token: string): Visitor | undefined {
    if (token === '' || this.#known.length === 0) return undefined
    const given = digestOf(token)
    let found: Visitor | undefined
    for (const { visitor, digest } of this.#known) if (timingSafeEqual(given, digest)) found = visitor
    return found
  }

  /** A request with its `Authorization` and `Host` headers, from an address. */
  check(authorization: string | undefined, address: string, host?: string): Access {
    if (this.open) {
      if (!isKnownHost(host, this.#allowedOrigins)) return { kind: 'elsewhere' }
      return { kind: 'granted', visitor: everybody, open: true }
    }
    const token = /^Bearer\s+(\S+)$/i.exec(authorization ?? '')?.[1] ?? ''
    const visitor = this.visitorOf(token)
    // A good token passes whatever others behind the same address do, so that nobody can lock an operator out.
    if (visitor) return { kind: 'granted', visitor, open: false }
    // A page without a token yet has not guessed.
    if (token === '') return { kind: 'denied' }
    return this.#failed(address)
  }

  #failed(address: string): Access {
    this.#denied++
    const now = this.#now()
    let failures = this.#failures.get(address)
    if (!failures || now - failures.since >= windowMs) {
      this.#failures.delete(address)
      failures = { count: 0, since: now }
      this.#failures.set(address, failures)
      for (const oldest of this.#failures.keys()) {
        if (this.#failures.size <= maxAddresses) break
        this.#failures.delete(oldest)
      }
    }
    failures.count++
    if (failures.count <= maxFailures) return { kind: 'denied' }
    return { kind: 'limited', retryAfterSeconds: Math.ceil((failures.since + windowMs - now) / 1_000) }
  }
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
