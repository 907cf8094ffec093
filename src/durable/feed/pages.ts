import { HoldfastError } from '../../domain/index.ts'
import { Packet } from '../../hub/index.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { within } from '../mirror/deadline.ts'
import { eventLine } from '../mirror/entry.ts'
import type { PartitionMirrors } from '../mirror/partition-mirror.ts'
import type { Run } from './run.ts'

/** Longer than a page takes on a ledger that is well. */
const deadlineMs = 5_000
/** Entries of a page, unless they are large. */
export const pageLimit = 1_000
const firstPageLimit = 256
export const pageBytes = 512 * 1_024

/** A piece of a channel's past, ready for sockets; shared between all that want it. */
export interface Page {
  readonly packet: Packet
  /** `first` is the asked offset + 1. */
  readonly run: Run
}

export type PageRead =
  | { readonly kind: 'page'; readonly page: Page }
  /** Retention has removed some of what was asked for. */
  | { readonly kind: 'removed'; readonly floor: number }
  /** The ledger has nothing after the asked offset. */
  | { readonly kind: 'end'; readonly head: number }

/**
 * How many entries the page after this one should have at most, so that pages stay below half a megabyte. Only where
 * events are known to be small the read itself is not bounded in bytes.
 */
export function limitAfter(page: Page | undefined): number {
  if (!page) return firstPageLimit
  const average = page.packet.payload.length / page.run.count
  return Math.max(16, Math.min(pageLimit, Math.floor(pageBytes / average)))
}

/** Reads pages from Redis where it can say yes, else from the ledger. The same page asked twice at once is one read. */
export class Pages {
  readonly #ledger: Ledger
  readonly #mirrors: PartitionMirrors | undefined
  readonly #flights = new Map<string, Promise<PageRead>>()

  constructor(ledger: Ledger, mirrors: PartitionMirrors | undefined) {
    this.#ledger = ledger
    this.#mirrors = mirrors
  }

  /**
   * At least one publication after `since`, where there is one.
   * @throws HoldfastError DEPENDENCY_* when neither Redis nor the ledger can answer at this moment
   */
  read(channel: string, since: number, limit: number): Promise<PageRead> {
    // What was asked in another epoch may be about other events.
    const key = `${this.#ledger.epoch} ${since} ${limit} ${channel}`
    let flight = this.#flights.get(key)
    if (!flight) {
      flight = this.#read(channel, since, limit).finally(() => this.#flights.delete(key))
      this.#flights.set(key, flight)
    }
    return flight
  }

  /** What Redis has beside `since`; undefined where it can't say. */
  async hot(
    channel: string,
    request: { since: number; limit: number; reverse?: boolean },
  ): Promise<{ readonly top: number; readonly count: number; readonly text: Buffer } | undefined> {
    if (!this.#mirrors?.reachable) return undefined
    try {
      return await this.#mirrors.readHistory(this.#ledger.partitionOf(channel), { channel, ...request })
    } catch {
      return undefined
    }
  }

  async #read(channel: string, since: number, limit: number): Promise<PageRead> {
    const hot = await this.hot(channel, { since, limit })
    if (hot && hot.count > 0) return { kind: 'page', page: pageOf(since, [hot.text], hot.count) }
    const { events, head, floor } = await within(
      this.#ledger.readChannel(channel, { since, limit, ...(limit < pageLimit && { maxBytes: pageBytes }) }),
      deadlineMs,
      'reading a page of the ledger',
    )
    if (since < floor) return { kind: 'removed', floor }
    if (events.length === 0) return { kind: 'end', head }
    if (events[0]?.offset !== since + 1 || events.at(-1)?.offset !== since + events.length) {
      throw new HoldfastError('INTERNAL', `the ledger's page of ${channel} after ${since} has a hole`)
    }
    return { kind: 'page', page: pageOf(since, events.map(eventLine), events.length) }
  }
}

function pageOf(since: number, lines: readonly (string | Buffer)[], count: number): Page {
  const packet = Packet.of(lines, count)
  return { packet, run: { first: since + 1, count, text: packet.payload } }
}
