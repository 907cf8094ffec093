import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Ledger } from '../ledger/ledger.ts'
import { entryOf } from './entry.ts'
import type { MirrorState, PartitionMirrors } from './partition-mirror.ts'
import { cutRange } from './ranges.ts'
import type { Announce } from './scripts.ts'

/** Up to here a fill announces its events one by one, and needs no lease: doing it twice costs little. */
const smallFill = 1_000
const pageSize = 500
const leaseMs = 2_000
const lookAgainMs = 50
/** How often the ground may be taken away under a fill (a wipe, a race) before the sweeper has to try again. */
const maxSetbacks = 5

/** Brings partitions' mirrors up to the ledger, seeding where there is nothing. One fill at a time per partition. */
export class PartitionFill {
  readonly #ledger: Ledger
  readonly #mirrors: PartitionMirrors
  readonly #node: string
  readonly #running = new Map<number, Promise<void>>()

  constructor(ledger: Ledger, mirrors: PartitionMirrors, node: string) {
    this.#ledger = ledger
    this.#mirrors = mirrors
    this.#node = node
  }

  get active(): number {
    return this.#running.size
  }

  /**
   * Resolves when the mirror has what the ledger had at some moment after the fill began; one that is running is
   * joined. Ends early, without an error, when another node holds the lease for longer than it lasts.
   */
  run(partition: number): Promise<void> {
    let running = this.#running.get(partition)
    if (!running) {
      running = this.#fill(partition).finally(() => this.#running.delete(partition))
      this.#running.set(partition, running)
    }
    return running
  }

  async #fill(partition: number): Promise<void> {
    const state = await this.#mirrors.state(partition)
    const head = (await this.#ledger.partitionHeads([partition])).get(partition) ?? 0
    if (head === 0) return
    const floor = this.#seedFloor(head)
    const distance = head - (state?.last ?? floor - 1)
    if (distance <= 0) return
    if (distance <= smallFill) return this.#write(partition, state, head, 'lines')
    if (!(await this.#mirrors.lease(partition, this.#node, leaseMs))) return this.#awaitOther(partition, head)
    try {
      await this.#write(partition, state, head, 'notice')
    } finally {
      await this.#mirrors.release(partition).catch(() => undefined)
    }
  }

  /** An empty mirror covers at most what the log may keep. */
  #seedFloor(head: number): number {
    return Math.max(1, head - this.#mirrors.logSize + 1)
  }

  async #write(
    partition: number,
    state: MirrorState | undefined,
    head: number,
    announce: Announce,
  ): Promise<void> {
    let last = state?.last ?? (await this.#seed(partition, '', head))
    for (let setbacks = 0; last < head && setbacks < maxSetbacks; ) {
      const page = await this.#ledger.readPartition(partition, last + 1, pageSize)
      if (page.through <= last) return
      const parts = cutRange({ from: page.from, to: page.through, entries: page.events.map(entryOf) })
      for (const part of parts) {
        const done = announce === 'notice' && part.to < head ? 'none' : announce
        const { code, last: reached, gen } = await this.#mirrors.apply(partition, part, done)
        last = reached
        if (code === 'applied') continue
        if (code !== 'refused') last = await this.#seed(partition, gen, head)
        setbacks++
        break
      }
      if (announce === 'notice') await this.#mirrors.renew(partition, leaseMs)
    }
  }

  /** Returns the last position that the mirror then has, whoever seeded it. */
  async #seed(partition: number, expected: string, head: number): Promise<number> {
    const floor = this.#seedFloor(head)
    const gen = randomBytes(6).toString('base64url')
    if (await this.#mirrors.seed(partition, expected, gen, floor)) return floor - 1
    return (await this.#mirrors.state(partition))?.last ?? floor - 1
  }

  async #awaitOther(partition: number, head: number): Promise<void> {
    const end = performance.now() + leaseMs
    while (performance.now() < end) {
      await delay(lookAgainMs)
      const state = await this.#mirrors.state(partition)
      if (state && state.last >= head) return
    }
  }
}
