import type { Tier } from '../domain/index.ts'
import type { Subject, Tallies } from './tallies.ts'

/** How this node hears the others, at one moment. */
export interface BusView {
  readonly connected: boolean
  /** By the steady clock, since when that is so. */
  readonly since: number
}

export interface FlightsOptions {
  readonly deadlineMs: number
  readonly tallies: Tallies
  readonly bus: () => BusView
  /** Whether a node's answer is still to be expected: it said that it listens, and is not known to have gone. */
  readonly listening: (node: string) => boolean
}

/** One probe under way. */
interface Flight {
  readonly tier: Tier
  readonly sentAt: number
  accepted: boolean
  /** Of durable ones, as the answer says. */
  offset: number | undefined
  heardAt: { readonly offset: number | undefined } | undefined
  /** Those who listen and have not answered yet. */
  readonly missing: Set<string>
  late: boolean
}

/**
 * A node that dies is forgotten after ten seconds, and does not answer before that. Whether an answer is missing, or whoever
 * should have given it, is decided only then.
 */
const goneAfterMs = 11_000
/** When Redis comes back, each node connects to it at a time of its own. */
const settlingMs = 5_000
/** Those of the shortest interval within the longest deadline; above it the oldest are let go of, uncounted. */
const mostFlights = 5_000

/** Probes that were sent and are not over: what has come of them, and what is missing when their time is up. */
export class Flights {
  readonly #options: FlightsOptions
  readonly #flights = new Map<string, Flight>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #closed = false

  constructor(options: FlightsOptions) {
    this.#options = options
  }

  begin(tier: Tier, n: number, listeners: Iterable<string>): void {
    const flight: Flight = {
      ...{ tier, sentAt: performance.now(), accepted: false, offset: undefined, heardAt: undefined },
      ...{ missing: new Set(listeners), late: false },
    }
    this.#flights.set(keyOf(tier, n), flight)
    for (const oldest of this.#flights.keys()) {
      if (this.#flights.size <= mostFlights) break
      this.#flights.delete(oldest)
    }
  }

  /** The node has answered that it was published, or recorded at this offset: from now on it has to arrive. */
  accepted(tier: Tier, n: number, offset: number | undefined): void {
    const flight = this.#flights.get(keyOf(tier, n))
    if (!flight) return
    const { deadlineMs, tallies } = this.#options
    flight.accepted = true
    flight.offset = offset
    tallies.succeeded({ tier, path: 'accept' }, performance.now() - flight.sentAt)
    this.#compareOffsets(flight)
    this.#after(flight.sentAt + deadlineMs, () => this.#atDeadline(flight))
    this.#after(flight.sentAt + Math.max(deadlineMs, goneAfterMs), () => {
      this.#judgeOthers(flight)
      this.#flights.delete(keyOf(tier, n))
    })
  }

  /** It was not accepted, so that nobody has to hear it. */
  refused(tier: Tier, n: number): void {
    this.#flights.delete(keyOf(tier, n))
  }

  /** It came back over this node. */
  heard(tier: Tier, n: number, offset: number | undefined): void {
    const flight = this.#flights.get(keyOf(tier, n))
    if (!flight || flight.heardAt || flight.late) return
    flight.heardAt = { offset }
    this.#options.tallies.succeeded({ tier, path: 'local' }, performance.now() - flight.sentAt)
    this.#compareOffsets(flight)
  }

  /** Another node has answered it. */
  echoed(tier: Tier, n: number, from: string): void {
    const flight = this.#flights.get(keyOf(tier, n))
    if (!flight || flight.late || !flight.missing.delete(from)) return
    this.#options.tallies.succeeded({ tier, path: 'other' }, (performance.now() - flight.sentAt) / 2)
  }

  close(): void {
    this.#closed = true
    for (const timer of this.#timers) clearTimeout(timer)
    this.#flights.clear()
  }

  #compareOffsets(flight: Flight): void {
    if (!flight.accepted || !flight.heardAt || flight.heardAt.offset === flight.offset) return
    this.#options.tallies.failed({ tier: flight.tier, path: 'local' }, 'wrong')
  }

  #atDeadline(flight: Flight): void {
    const { tallies, listening } = this.#options
    flight.late = true
    if (!flight.heardAt) tallies.failed({ tier: flight.tier, path: 'local' }, 'unheard')
    if (!this.#wasAway(flight)) return
    for (const node of flight.missing)
      if (listening(node)) tallies.degraded({ tier: flight.tier, path: 'other' })
    flight.missing.clear()
  }

  #judgeOthers(flight: Flight): void {
    const { tallies, listening } = this.#options
    const subject: Subject = { tier: flight.tier, path: 'other' }
    for (const node of flight.missing) {
      if (!listening(node)) continue
      if (this.#wasAway(flight)) tallies.degraded(subject)
      else tallies.failed(subject, 'unheard')
    }
  }

  /** Signals go over the bus or not at all; events have the ledger besides. */
  #wasAway({ tier, sentAt }: Flight): boolean {
    const { connected, since } = this.#options.bus()
    return tier === 'realtime' && (!connected || sentAt - since < settlingMs)
  }

  #after(at: number, act: () => void): void {
    // What has arrived by then is looked at first: this process may have stood still itself.
    const run = () => {
      this.#timers.delete(timer)
      setImmediate(() => {
        if (!this.#closed) act()
      })
    }
    const timer = setTimeout(run, Math.max(0, at - performance.now()))
    timer.unref()
    this.#timers.add(timer)
  }
}

function keyOf(tier: Tier, n: number): string {
  return `${tier} ${n}`
}
