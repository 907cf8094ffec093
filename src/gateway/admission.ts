import type { LimitCounts, LimitName } from './limit-counts.ts'

/** Somebody who asks for a connection, before anything was answered. */
export interface Arrival {
  /** Of the client, where it is known: the socket's, or what a trusted proxy says. */
  readonly address: string | undefined
}

/** Why it has to come back later, as HTTP says it. */
export interface TurnedAway {
  /** 429: this client asks too often. 503: the node has no room. */
  readonly status: 429 | 503
  readonly retryAfterSeconds: number
  readonly limit: LimitName
}

/** Undefined: it may come in, as far as this check goes. */
export type AdmissionCheck = (arrival: Arrival) => TurnedAway | undefined

/**
 * Decides about each new connection before the WebSocket handshake, where turning it away costs least. The checks are
 * asked in their order and the first that refuses ends it: those that only look come before those that use something
 * up, so that who is turned away has used up nothing.
 */
export class Admission {
  readonly #checks: readonly AdmissionCheck[]
  readonly #counts: LimitCounts

  constructor(checks: readonly AdmissionCheck[], counts: LimitCounts) {
    this.#checks = checks
    this.#counts = counts
  }

  ask(arrival: Arrival): TurnedAway | undefined {
    for (const check of this.#checks) {
      const turnedAway = check(arrival)
      if (!turnedAway) continue
      this.#counts.add(turnedAway.limit)
      return turnedAway
    }
    return undefined
  }
}
