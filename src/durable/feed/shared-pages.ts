import { Packet } from '../../hub/index.ts'
import { above, lastOf, type Run } from './run.ts'

/** A piece of a channel's past, ready for sockets; shared between all that want it. */
export interface Page {
  readonly packet: Packet
  readonly run: Run
}

export type PageRead =
  | { readonly kind: 'page'; readonly page: Page }
  /** Retention has removed some of what was asked for. */
  | { readonly kind: 'removed'; readonly floor: number }
  /** The ledger has nothing after the asked offset. */
  | { readonly kind: 'end'; readonly head: number }

/**
 * The offsets since + 1 … through of one channel: being read, or read. While it is being read `through` is the last
 * that may come.
 */
export interface Stretch {
  readonly channel: string
  readonly since: number
  through: number
  readonly reading: Promise<PageRead>
  page: Page | undefined
}

export interface SharedPagesBounds {
  /** Of all pages together. */
  readonly maxBytes: number
  /** How long a page is handed on after it was read. */
  readonly lifeMs: number
}

/**
 * About as long as a storm of sessions that want the same takes. Events do not change but by erasure, and what was read
 * before one is handed on no longer than this: erasure counts on it.
 */
const defaults: SharedPagesBounds = { maxBytes: 16 * 1_048_576, lifeMs: 5_000 }
/** What a small page costs beside its bytes. */
const overhead = 512

/**
 * What of channels' pasts this node reads now or has read in the last seconds. A channel's stretches never overlap, so
 * what many sessions want is read once, wherever each of them begins; the oldest pages make way for newer ones.
 */
export class SharedPages {
  readonly #bounds: SharedPagesBounds
  /** By channel, in order. */
  readonly #stretches = new Map<string, Stretch[]>()
  /** Those with a page, the oldest first, with the moment at which it goes. */
  readonly #kept = new Map<Stretch, number>()
  #bytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(bounds: SharedPagesBounds = defaults) {
    this.#bounds = bounds
  }

  get bytes(): number {
    return this.#bytes
  }

  /** The stretch that has, or may get, the offset after `since`. */
  covering(channel: string, since: number): Stretch | undefined {
    const stretches = this.#stretches.get(channel)
    const found = stretches?.[indexAfter(stretches, since) - 1]
    return found && found.through > since ? found : undefined
  }

  /** How many offsets after `since` no stretch has. */
  room(channel: string, since: number): number {
    const stretches = this.#stretches.get(channel)
    const next = stretches?.[indexAfter(stretches, since)]
    return next ? next.since - since : Number.POSITIVE_INFINITY
  }

  /** A read has begun; `limit` is not more than there is room for. Its page is kept when it comes. */
  begin(channel: string, since: number, limit: number, reading: Promise<PageRead>): Stretch {
    const stretch: Stretch = { channel, since, through: since + limit, reading, page: undefined }
    const stretches = this.#stretches.get(channel)
    if (stretches) stretches.splice(indexAfter(stretches, since), 0, stretch)
    else this.#stretches.set(channel, [stretch])
    reading.then(
      read => (read.kind === 'page' ? this.#keep(stretch, read.page) : this.#remove(stretch)),
      () => this.#remove(stretch),
    )
    return stretch
  }

  /** What is asked from now on is read anew: the channel's events are not what they were. */
  forget(channel: string): void {
    for (const stretch of [...(this.#stretches.get(channel) ?? [])]) this.#remove(stretch)
  }

  clear(): void {
    for (const channel of [...this.#stretches.keys()]) this.forget(channel)
  }

  #keep(stretch: Stretch, page: Page): void {
    // Forgotten while it was read: those who asked before that have it, and nobody else gets it.
    if (!this.#stretches.get(stretch.channel)?.includes(stretch)) return
    stretch.page = page
    stretch.through = lastOf(page.run)
    this.#bytes += sizeOf(page)
    this.#kept.set(stretch, performance.now() + this.#bounds.lifeMs)
    for (const [oldest] of this.#kept) {
      if (this.#bytes <= this.#bounds.maxBytes) break
      this.#remove(oldest)
    }
    this.#watch()
  }

  #remove(stretch: Stretch): void {
    const stretches = this.#stretches.get(stretch.channel)
    const at = stretches?.indexOf(stretch) ?? -1
    if (stretches && at >= 0) stretches.splice(at, 1)
    if (stretches?.length === 0) this.#stretches.delete(stretch.channel)
    if (stretch.page && this.#kept.delete(stretch)) this.#bytes -= sizeOf(stretch.page)
  }

  /** Memory is given back although nobody asks any more. */
  #watch(): void {
    const [oldest] = this.#kept.values()
    if (this.#timer || oldest === undefined) return
    const wait = Math.max(1, oldest - performance.now())
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      const now = performance.now()
      for (const [stretch, until] of this.#kept) {
        if (until > now) break
        this.#remove(stretch)
      }
      this.#watch()
    }, wait)
    this.#timer.unref()
  }
}

/** What a page has after `since`, for a socket: mostly all of it, and then the packet that all share. */
export function packetAfter(page: Page, since: number): Packet {
  const rest = above(page.run, since)
  return !rest || rest === page.run ? page.packet : Packet.of([rest.text], rest.count)
}

function sizeOf(page: Page): number {
  return page.packet.frame.length + overhead
}

/** Where a stretch that begins at `since` stands behind all that begin there or before. */
function indexAfter(stretches: readonly Stretch[], since: number): number {
  let low = 0
  let high = stretches.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((stretches[middle] as Stretch).since <= since) low = middle + 1
    else high = middle
  }
  return low
}
