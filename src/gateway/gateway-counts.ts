import { disconnects, wireErrors } from '../protocol/index.ts'
import { LimitCounts } from './limit-counts.ts'
import { SubscriptionCounts } from './subscription-counts.ts'

/**
 * Who ended a connection where it was not Holdfast with a code of its own: the client or the network (`peer`), a frame
 * that is too large or breaks the WebSocket protocol (`frame`), the application's code by one of its own
 * (`application`).
 */
export const otherEnds = ['peer', 'frame', 'application'] as const
export type OtherEnd = (typeof otherEnds)[number]

/** How requests for a connection end. */
export const handshakeOutcomes = ['accepted', 'origin', 'limit', 'busy', 'draining', 'protocol'] as const
export type HandshakeOutcome = (typeof handshakeOutcomes)[number]

const ownErrors: ReadonlySet<number> = new Set(Object.values(wireErrors).map(({ code }) => code))
const ownCodes: ReadonlySet<number> = new Set(Object.values(disconnects).map(({ code }) => code))

/** What has happened to the connections of this node since its start. */
export class GatewayCounts {
  readonly limited = new LimitCounts()
  /** Connect commands that have succeeded. */
  connects = 0
  /** Sessions that were cut because their mailbox was over its bound. */
  slowConsumers = 0
  readonly subscriptions = new SubscriptionCounts()
  readonly handshakes: Record<HandshakeOutcome, number> = {
    accepted: 0,
    origin: 0,
    limit: 0,
    busy: 0,
    draining: 0,
    protocol: 0,
  }
  readonly #ended = new Map<string, number>()
  readonly #errors = new Map<string, number>()

  /** By code of the protocol, or by `OtherEnd`: a closed set, whatever codes an application makes up. */
  get ended(): ReadonlyMap<string, number> {
    return this.#ended
  }

  /** Error replies, by code of the protocol. */
  get errors(): ReadonlyMap<string, number> {
    return this.#errors
  }

  error(code: number): void {
    const name = ownErrors.has(code) ? String(code) : 'other'
    this.#errors.set(name, (this.#errors.get(name) ?? 0) + 1)
  }

  end(by: number | OtherEnd): void {
    const name = typeof by === 'string' ? by : ownCodes.has(by) ? String(by) : 'application'
    this.#ended.set(name, (this.#ended.get(name) ?? 0) + 1)
  }
}
