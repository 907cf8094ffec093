import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Ledger } from '../ledger/ledger.ts'
import { entryOf } from './entry.ts'
import { MirrorMeter } from './mirror-meter.ts'
import type { MirrorState, PartitionMirrors } from './partition-mirror.ts'
import { cutRange } from './ranges.ts'
import type { Announce } from './scripts.ts'
import { TracesInHand } from './traces-in-hand.ts'

/** Up to here a fill announces its events one by one. */
const smallFill = 1_000
const pageSize = 500
const leaseMs = 2_000
const lookAgainMs = 50
/**
 * Whoever holds the lease may stand still. A mirror that has not moved for so long and lacks no more than this is filled all the
 * same: little is written twice then. One that moves is being filled, and after a wipe all nodes would fill it together.
 */
const unleased = { stillMs: 150, events: 100 }
/** How often the ground may be taken away under a fill (a wipe, a race) before the sweeper has to try again. */
const maxSetbacks = 5

/** Brings partitions' mirrors up to the ledger, seeding where there is nothing. One fill at a time per partition, of all nodes. */
export class PartitionFill {
  readonly #ledger: Ledger
  readonly #mirrors: PartitionMirrors
  readonly #node: string
  readonly #meter: MirrorMeter
  /** What the node's own mirroring knows of events that are filled. */
  readonly traces = new TracesInHand()
  readonly #running = new Map<number, Promise<number | undefined>>()
  /** By partition, since when its mirror stands there under another node's lease. */
  readonly #still = new Map<number, { readonly last: number; readonly since: number }>()

  constructor(ledger: Ledger, mirrors: PartitionMirrors, node: string, meter = new MirrorMeter()) {
    this.#meter = meter
    this.#ledger = ledger
    this.#mirrors = mirrors
    this.#node = node
  }

  /**
   * Resolves when the mirror has what the ledger had at some moment after the fill began, with the position that it then
   * has at least; one that is running is joined. Ends early, without a position, when there is much to fill and another node
   * holds the lease for longer than it lasts.
   */
  async run(partition: number): Promise<number | undefined> {
    const end = performance.now() + leaseMs
    for (;;) {
      const reached = await this.attempt(partition)
      if (reached !== undefined || performance.now() >= end) return reached
      await delay(lookAgainMs)
    }
  }

  /**
   * As `run`, unless another node is at it: then it resolves at once, without a position. After a wipe all nodes find all
   * mirrors empty at the same time, and together they shall read the ledger once.
   */
  attempt(partition: number): Promise<number | undefined> {
    let running = this.#running.get(partition)
    if (!running) {
      running = this.#fill(partition).finally(() => this.#running.delete(partition))
      this.#running.set(partition, running)
    }
    return running
  }

  /** All of it within one epoch: positions and events of another one have no place in its mirrors. */
  async #fill(partition: number): Promise<number | undefined> {
    const mirrors = this.#mirrors.at(this.#ledger.epoch)
    const leased = await mirrors.lease(partition, this.#node, leaseMs)
    if (leased) this.#still.delete(partition)
    try {
      // Not before: whoever had the lease until now may have done it.
      const state = await mirrors.state(partition)
      if (!leased && !this.#standsStill(partition, state)) return undefined
      const head = (await this.#ledger.partitionHeads([partition])).get(partition) ?? 0
      if (this.#isPast(mirrors)) return undefined
      const distance = head - (state?.last ?? this.#seedFloor(head) - 1)
      if (head === 0 || distance <= 0) return state?.last ?? 0
      if (!leased && distance > unleased.events) return undefined
      const announced = distance <= Math.min(smallFill, this.#mirrors.logSize)
      return await this.#write(mirrors, partition, state, head, announced ? 'lines' : 'notice')
    } finally {
      if (leased) await mirrors.release(partition, this.#node).catch(() => undefined)
    }
  }

  #isPast({ epoch }: PartitionMirrors): boolean {
    return epoch !== this.#ledger.epoch
  }

  #standsStill(partition: number, state: MirrorState | undefined): boolean {
    if (state === undefined) return false
    const now = performance.now()
    const seen = this.#still.get(partition)
    // What was seen long ago was seen under another lease.
    if (seen?.last === state.last && now - seen.since <= leaseMs) return now - seen.since >= unleased.stillMs
    this.#still.set(partition, { last: state.last, since: now })
    return false
  }

  /** An empty mirror covers at most what the log may keep. */
  #seedFloor(head: number): number {
    return Math.max(1, head - this.#mirrors.logSize + 1)
  }

  async #write(
    mirrors: PartitionMirrors,
    partition: number,
    state: MirrorState | undefined,
    head: number,
    announce: Announce,
  ): Promise<number | undefined> {
    // What lies below the floor would be written only to be trimmed.
    const usable = state !== undefined && state.last >= this.#seedFloor(head) - 1
    let last = usable ? state.last : await this.#seed(mirrors, partition, state?.gen ?? '', head)
    for (let setbacks = 0; last < head && setbacks < maxSetbacks; ) {
      const page = await this.#ledger.readPartition(partition, last + 1, pageSize)
      if (this.#isPast(mirrors)) return undefined
      if (page.through <= last) return last
      const entries = page.events.map(event => this.traces.addTo(entryOf(event)))
      const parts = cutRange({ from: page.from, to: page.through, entries })
      for (const part of parts) {
        const done = announce === 'notice' && part.to < head ? 'none' : announce
        const { code, last: reached, gen } = await mirrors.apply(partition, part, done)
        last = reached
        if (this.#isPast(mirrors)) return undefined
        if (code === 'applied') {
          this.#meter.filled += part.entries.length
          continue
        }
        if (code !== 'refused') last = await this.#seed(mirrors, partition, gen, head)
        setbacks++
        break
      }
      await mirrors.renew(partition, this.#node, leaseMs)
    }
    return last
  }

  /** Returns the last position that the mirror then has, whoever seeded it. */
  async #seed(mirrors: PartitionMirrors, partition: number, expected: string, head: number): Promise<number> {
    const floor = this.#seedFloor(head)
    const gen = randomBytes(6).toString('base64url')
    if (await mirrors.seed(partition, expected, gen, floor)) return floor - 1
    return (await mirrors.state(partition))?.last ?? floor - 1
  }
}
